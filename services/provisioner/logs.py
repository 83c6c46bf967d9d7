"""Reading what pods printed: the provisioner's half of ``cassini.runtime.log_source``."""

from cassini.runtime.log_source import LogLine
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.plan import PodName


class PodLogs:
    """The logs of the pods of one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it; [] where none are kept.

        Raises:
            BackendError: the backend cannot be reached.
        """
        try:
            name = PodName.parse(pod_name)
        except ValueError:
            return []
        found = await in_time(self._backend.read_logs(name, previous=previous, lines=lines))
        return [LogLine(None, text) for text in found]
