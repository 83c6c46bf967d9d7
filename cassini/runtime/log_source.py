"""Reading logs where they are: the one thing services ask of each other directly.

No state may depend on it. Embedded it is a call to the service that has the log.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LogLine:
    """One line that was printed; ``at`` is in Unix seconds, None where nobody noted the time."""

    at: float | None
    text: str


class LogSource(Protocol):
    """Where the bytes of logs and metrics come from."""

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it; [] where none are kept."""

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build; [] where none are kept."""
