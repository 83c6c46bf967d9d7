"""Reading logs where they are: the one thing services ask of each other directly.

No state may depend on it. Embedded it is a call to the service that has the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LogLine:
    """One line that was printed; ``at`` is in Unix seconds, None where nobody noted the time."""

    at: float | None
    text: str


@dataclass(frozen=True)
class PodMetrics:
    """What one pod used over a time.

    ``series`` maps a name to points, oldest first: (Unix seconds, value). The names are ``cpu``
    (millicores), ``memory`` (bytes), ``network_in`` and ``network_out`` (bytes since the point
    before). A name that is not there cannot be measured; buckets nothing is known of are left out.
    """

    pod_name: str
    series: Mapping[str, tuple[tuple[float, float], ...]]


class LogSource(Protocol):
    """Where the bytes of logs and metrics come from."""

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it; [] where none are kept."""

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build; [] where none are kept."""

    async def metrics(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return what the pods of a workload used, one point every ``step`` seconds; [] if none."""
