"""Reading what pods printed: the provisioner's half of ``cassini.runtime.log_source``.

A pod's lines are with the backend, or in the archive once it is removed: they are put there before,
so whoever finds no pod finds its lines.
"""

from dataclasses import replace

from cassini.runtime.log_source import NO_LINES, LogLine, LogPage
from services.provisioner.archive import Archive
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.plan import PodName


class PodLogs:
    """The logs of the pods of one backend, of those that are gone too."""

    def __init__(self, backend: Backend, archive: Archive) -> None:
        self._backend = backend
        self._archive = archive

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it; [] where none are kept.

        Raises:
            BackendError: the backend cannot be reached.
        """
        page = await self._read(pod_name, first=-lines, lines=lines, previous=previous, tail=True)
        return list(page.lines)

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        """Return up to so many lines of a pod from line ``first`` on; see ``LogSource``.

        Raises:
            BackendError: the backend cannot be reached.
        """
        return await self._read(pod_name, first=first, lines=lines)

    async def _read(
        self, pod_name: str, *, first: int, lines: int, previous: bool = False, tail: bool = False
    ) -> LogPage:
        try:
            name = PodName.parse(pod_name)
        except ValueError:
            return NO_LINES
        if previous:
            name = replace(name, attempt=name.attempt - 1)
        read = self._backend.read_logs(name, first=first, lines=lines, unended=tail)
        page = await in_time(read) or await self._archive.read(name, first=first, lines=lines)
        return page or NO_LINES
