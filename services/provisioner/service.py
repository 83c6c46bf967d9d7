"""The provisioner, put together."""

import asyncio
from contextlib import suppress

from sqlmodel import col, select

from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import BackendError
from cassini.runtime.log_source import LogLine, LogPage, PodMetrics
from cassini.runtime.ownership import Ownership
from cassini.runtime.service import Ground, Health, Service
from cassini.runtime.workqueue import WorkQueue
from services.provisioner.archive import Archive
from services.provisioner.backends.base import Backend, PodPhase
from services.provisioner.calls import in_time
from services.provisioner.capabilities import Capabilities
from services.provisioner.handlers import Handlers
from services.provisioner.leases import Leases
from services.provisioner.logs import PodLogs
from services.provisioner.metrics import Metrics
from services.provisioner.models import BackendRow, Workload
from services.provisioner.orphans import Orphans
from services.provisioner.reconciler import WorkloadSteps
from services.provisioner.tables import TABLES

__all__ = ["TABLES", "ProvisionerService"]

_ALIVE = {PodPhase.STARTING, PodPhase.STARTED}
_STOP_SECONDS, _LOOK_SECONDS = 60.0, 0.1


class ProvisionerService(Service):
    """Runs workloads on one backend. Logs of pods that are gone are kept for ``log_days``."""

    def __init__(self, ground: Ground, backend: Backend, *, log_days: float = 30) -> None:
        super().__init__(ServiceName.PROVISIONER, TABLES, ground)
        clock, database = ground.clock, ground.database
        self._backend = backend
        self._workloads = Ownership(
            Workload, "workload", outbox=self.outbox, clock=clock, queue=WorkQueue()
        )
        backends = Ownership(
            BackendRow, "backend", outbox=self.outbox, clock=clock, queue=WorkQueue()
        )
        leases = Leases(self.declarations, ground.opener)
        archive = Archive(database, backend, clock, days=log_days)
        steps = WorkloadSteps(database, self._workloads, leases, backend, archive, clock)
        handlers = Handlers(self._workloads, leases)
        self.handlers = {
            "workload.declared.v1": handlers.workload_declared,
            "lease.observed.v1": handlers.lease_observed,
        }
        self.owned = (self.own(self._workloads, steps.step, steps.failed),)
        self._capabilities = Capabilities(database, backends, self._workloads, backend, clock)
        self._orphans = Orphans(database, self._workloads, backend, clock)
        self._logs = PodLogs(backend, archive)
        self._metrics = Metrics(database, backend, clock)
        self.loops = {
            "changes": self._follow_changes,
            "orphans": self._orphans.run,
            "capabilities": self._capabilities.run,
            "metrics": self._metrics.run,
            "archive": archive.run,
        }

    async def open(self) -> None:
        """Open the backend and look at all of it once, before any wish is taken.

        A pod that this database does not know (an older copy was put back) is then known of
        before a wish for its id could make a second one. What was under way is looked at at
        once: the host may have restarted.
        """
        await in_time(self._backend.open())
        with suppress(BackendError):
            await self._orphans.sweep()
        async with self.database.read() as session:
            active = select(Workload.id).where(col(Workload.due_at).is_not(None))
            for workload_id in (await session.exec(active)).all():
                self._workloads.queue.add(workload_id)

    async def close(self) -> None:
        """Close the backend, whose pods go on, then the database."""
        await self._backend.close()
        await super().close()

    async def health(self) -> Health:
        """Say whether a workload could be started now."""
        health = await super().health()
        if health.ready and self._capabilities.problem is not None:
            return Health(ready=False, reason=f"{self.name}: {self._capabilities.problem}")
        return health

    async def stop_workloads(self) -> None:
        """End every pod and leave the wishes as they are: the next start makes the pods again.

        Called when the loops have stopped, so nothing starts a pod while it ends.
        """
        for pod in await in_time(self._backend.list_pods()):
            await in_time(self._backend.terminate(pod.name))
        async with asyncio.timeout(_STOP_SECONDS):
            while any(pod.phase in _ALIVE for pod in await in_time(self._backend.list_pods())):
                await self.clock.sleep(_LOOK_SECONDS)

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed, or the attempt before it."""
        return await self._logs.pod_logs(pod_name, previous=previous, lines=lines)

    async def metrics(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return what the pods of a workload used, one point every ``step`` seconds."""
        return await self._metrics.read(workload_id, start=start, end=end, step=step)

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        """Return up to so many lines that a pod printed, from line ``first`` on."""
        return await self._logs.pod_log_page(pod_name, first=first, lines=lines)

    async def _follow_changes(self) -> None:
        async for workload_id in self._backend.changes():
            self._workloads.queue.add(workload_id)
