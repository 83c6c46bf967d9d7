"""The sweep: pods of this installation that no row explains, found by listing them all.

Pods without a row mean that this service's database is an older copy. A row is made from their
labels, and its fact of generation 0 makes the declarer say its wish again, or answer ``stopped``
when it does not know the id either. Nothing is ended before that answer.
"""

from collections import defaultdict
from collections.abc import Sequence

import structlog
from sqlmodel import col, select

from cassini.contracts.resources import ServiceName, Wanted
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.ownership import Ownership
from services.provisioner.backends.base import Backend, Pod
from services.provisioner.calls import in_time
from services.provisioner.decide import Situation, decide
from services.provisioner.models import Workload
from services.provisioner.state import State

_SWEEP_SECONDS = 60.0
_BATCH = 500
_DECLARERS = frozenset(ServiceName)

_log = structlog.get_logger(__name__)


class Orphans:
    """Finds pods that rows do not explain, and the rows to look at."""

    def __init__(
        self, database: Database, workloads: Ownership[Workload], backend: Backend, clock: Clock
    ) -> None:
        self._database = database
        self._workloads = workloads
        self._backend = backend
        self._clock = clock

    async def run(self) -> None:
        """Sweep now and every minute."""
        while True:
            await self.sweep()
            await self._clock.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Compare all pods with all rows once."""
        pods: dict[str, list[Pod]] = defaultdict(list)
        for pod in await in_time(self._backend.list_pods()):
            pods[pod.name.workload_id].append(pod)
        ids = sorted(pods)
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            async with self._database.read() as session:
                query = select(Workload).where(col(Workload.id).in_(batch))
                rows = {row.id: row for row in (await session.exec(query)).all()}
            for workload_id in batch:
                row = rows.get(workload_id)
                if row is None:
                    await self._adopt(workload_id, pods[workload_id])
                elif not _explains(row, pods[workload_id]):
                    self._workloads.queue.add(workload_id)

    async def _adopt(self, workload_id: str, pods: Sequence[Pod]) -> None:
        declarer = pods[0].declarer
        if declarer not in _DECLARERS:
            _log.error("pods of an unknown declarer are left alone", id=workload_id)
            return
        now = self._clock.now()
        decision = decide(Situation(wish=None, state=State(since=now), pods=pods, now=now))
        async with self._database.write() as session:
            if await self._workloads.get(session, workload_id) is not None:
                return
            row = Workload(id=workload_id, declarer=declarer)
            row.keep(decision.state)
            await self._workloads.observe(session, row, **vars(decision.seen))
            self._workloads.wake(session, row, after=decision.again or 0.0)
            session.add(row)
        _log.warning("found pods without a row; their declarer is asked", id=workload_id)


def _explains(row: Workload, pods: Sequence[Pod]) -> bool:
    """Whether these pods are what a row wants; one without a wish waits for its answer."""
    if row.wish is None:
        return True
    running = row.wish["wanted"] == Wanted.RUNNING
    return running and all(pod.name.revision == row.wish["revision"] for pod in pods)
