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


@dataclass(frozen=True)
class LogPage:
    """Lines that follow each other in one log, oldest first."""

    first: int
    """The number of the first of them, counted from 0 at the log's beginning.

    It is greater than what was asked for where the beginning is not kept any more.
    """
    lines: tuple[LogLine, ...]
    end: int
    """How many lines the log has now, those included that are not kept any more."""

    @property
    def next(self) -> int:
        """The number of the line after these."""
        return self.first + len(self.lines)

    @property
    def more(self) -> bool:
        """Whether there are lines after these."""
        return self.next < self.end


NO_LINES = LogPage(0, (), 0)
"""A log in which nothing is, or that nobody has."""


class LogSource(Protocol):
    """Where the bytes of logs and metrics come from."""

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it; [] where none are kept.

        The pod may run or be gone. A last line that has no end yet is among them.
        """

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        """Return up to so many lines of a pod from line ``first`` on, counted from 0.

        A negative ``first`` counts from the end. Lines keep their numbers for as long as they are
        kept, whether the pod runs or is gone; fewer come only at the end of the log. What is not
        the whole line yet is left for later, so whoever goes on at ``next`` gets each line once.
        """

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build; [] where none are kept."""

    async def metrics(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return what the pods of a workload used, one point every ``step`` seconds; [] if none."""
