"""The backend fact: what this installation can run now, said at start, on change and again.

A backend that is away is looked after every two seconds; when it is back, the workloads whose steps
failed meanwhile are worked on at once, whatever their back-off has grown to.
"""

from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database, one_at_a_time
from cassini.runtime.errors import BackendError
from cassini.runtime.ownership import Ownership
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.models import BackendRow, Workload

_LOOK_SECONDS, _AWAY_SECONDS = 15.0, 2.0
_SAY_AGAIN_SECONDS = 300.0
_NOTHING = {"kind": "unknown", "cores": 0.0, "memory_bytes": 0, "isolation": "unknown"}


class Capabilities:
    """Watches what the backend can do and says so."""

    def __init__(
        self,
        database: Database,
        backends: Ownership[BackendRow],
        workloads: Ownership[Workload],
        backend: Backend,
        clock: Clock,
    ) -> None:
        self._database = database
        self._workloads = workloads
        self._backends = backends
        self._backend = backend
        self._clock = clock
        self.problem: str | None = "the backend has not answered yet"
        """Why the backend cannot be used now, if so."""

    async def run(self) -> None:
        """Look for ever; say it again at start and every few minutes, for whoever missed it."""
        said_at: float | None = None
        while True:
            if await self.look():
                said_at = self._clock.now()
            elif said_at is None or self._clock.now() - said_at >= _SAY_AGAIN_SECONDS:
                await self._backends.observe_again(self._database, renumber=said_at is None)
                said_at = self._clock.now()
            await self._clock.sleep(_LOOK_SECONDS if self.problem is None else _AWAY_SECONDS)

    async def look(self) -> bool:
        """Ask the backend once, and say what is news; returns whether there was any."""
        was_away = self.problem is not None
        try:
            found = vars(await in_time(self._backend.describe()))
            self.problem = None
        except BackendError as error:
            found, self.problem = {}, error.message
        async with self._database.write() as session:
            await one_at_a_time(session, "the backend's row")  # not made yet, it cannot be locked
            row = await self._row(session)
            news = await self._backends.observe(session, row, **self._seen(row, found))
            session.add(row)
        if was_away and self.problem is None:
            await self._workloads.retry_failed(self._database)
        return news

    def _seen(self, row: BackendRow, found: dict[str, Any]) -> dict[str, Any]:
        if self.problem is None:
            return found | {"reachable": True}
        before = row.fact or {}
        known = {name: before.get(name, default) for name, default in _NOTHING.items()}
        return known | {
            "limits": before.get("limits", ()),
            "reachable": False,
            "reason": "BackendUnreachable",
            "message": self.problem,
        }

    async def _row(self, session: AsyncSession) -> BackendRow:
        row = (await session.exec(select(BackendRow).limit(1).with_for_update())).first()
        return row or BackendRow(id=new_id(), declarer=ServiceName.PROVISIONER)
