"""The provisioner on a scripted backend, with the API's and the secrets service's parts played.

Time is a fake clock's and only moves when the world is driven, so a story runs in milliseconds
and ends when nothing is due any more. A crash is an exception no code catches; after it the
service is made anew on the same database and backend.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import event

from cassini.contracts.credentials import LeaseDeclaredV1, LeaseObservedV1, LeaseStatus
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadObservedV1
from cassini.runtime.database import Database
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground
from cassini.testing.clock import FakeClock
from cassini.testing.databases import sqlite_url
from cassini.testing.probe import ProbeBus
from services.provisioner.models import Workload
from services.provisioner.service import ProvisionerService
from services.provisioner.tables import TABLES
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD

SECRET = "the-secret-value"
_STEPS = 200


class Crash(BaseException):
    """The process was killed here."""


class FaultyDatabase(Database):
    """A database whose commits a test may make fail, before or after."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # Kills here are exceptions: nothing is lost for not waiting for the disk.
        event.listen(self._writer.sync_engine, "connect", _do_not_wait)
        self.fault: Callable[[str], None] = lambda _point: None

    @asynccontextmanager
    async def write(self):
        async with super().write() as session:
            yield session
            self.fault("commit before")
        self.fault("commit after")


def _do_not_wait(connection, _record) -> None:
    connection.execute("PRAGMA synchronous=OFF")


class Claimed:
    """A claim that is never lost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def write(self):
        async with self._database.write() as session:
            yield session, None


class World:
    """One provisioner and what is around it."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.backend = ScriptedBackend(self.clock)
        self.secrets_answer = True
        self.points: list[str] = []
        """Every call into backend and database so far."""
        self.crash_at: int | None = None
        self.crashes = 0
        self._database = FaultyDatabase(sqlite_url(directory))
        self._database.fault = self.backend.fault = self._reach
        self._keys = KeyRing(directory / "keys")
        self.bus = ProbeBus()
        self._read = 0
        self.restart()

    def restart(self) -> None:
        """Make the service anew, as after a kill."""
        ground = Ground(
            self._database,
            self.bus,
            self.clock,
            self._keys.sealer(),
            self._keys.opener(ServiceName.PROVISIONER),
            exclusive=True,
        )
        self.service = ProvisionerService(ground, self.backend)
        ((self.workloads, self.reconciler),) = self.service.owned

    def _reach(self, point: str) -> None:
        self.points.append(point)
        if self.crash_at == len(self.points) - 1:
            self.crash_at = None
            raise Crash(point)

    async def deliver(self, message) -> None:
        """Hand an event to the service until it is taken, as a relay does."""
        kind = (
            "lease.observed.v1" if isinstance(message, LeaseObservedV1) else "workload.declared.v1"
        )

        async def handle() -> None:
            async with self._database.write() as session:
                await self.service.handlers[kind](session, message)

        await self._surviving(handle)

    async def step(self, workload_id: str = WORKLOAD) -> float | None:
        """Take one step; returns when to come back."""
        return await self._surviving(lambda: self.reconciler.reconcile(workload_id))

    async def settle(self, workload_id: str = WORKLOAD) -> None:
        """Go on until nothing is due within half a minute."""
        for _ in range(_STEPS):
            again = await self.step(workload_id)
            if await self.answer_leases() or again == 0:
                continue
            if again is None or again >= 30:
                return
            self.clock.advance(again)
        raise AssertionError(f"does not settle: {self.backend.calls[-20:]}")

    async def settle_wish(self, wish: WorkloadDeclaredV1) -> None:
        """Declare and go on until nothing is due."""
        await self.deliver(wish)
        await self.settle()

    async def answer_leases(self) -> bool:
        """Play the secrets service: answer what was asked; returns whether anything was."""
        while await self._surviving(self.service.relay.send_due):
            pass
        news = self.bus.sent[self._read :]
        self._read = len(self.bus.sent)
        messages = [envelope.message() for _, envelope in news]
        wishes = [message for message in messages if isinstance(message, LeaseDeclaredV1)]
        for wish in wishes if self.secrets_answer else ():
            await self.deliver(self.lease_answer(wish))
        return bool(wishes)

    def lease_answer(self, wish: LeaseDeclaredV1, **changes) -> LeaseObservedV1:
        """Return what the secrets service answers."""
        values = json.dumps({each.credential_id: SECRET for each in wish.credentials})
        granted = wish.wanted == Wanted.PRESENT
        sealed = self._keys.sealer().seal(
            values,
            reader=ServiceName.PROVISIONER,
            resource_id=wish.id,
            generation=wish.generation,
        )
        fact = {
            "id": wish.id,
            "declarer": ServiceName.PROVISIONER,
            "generation": wish.generation,
            "sequence": wish.generation,
            "wish_digest": wish.digest(),
            "status": LeaseStatus.GRANTED if granted else LeaseStatus.ABSENT,
            "sealed": sealed if granted else None,
        }
        return LeaseObservedV1(**(fact | changes))

    def sealed(self, values: dict[str, str], *, resource_id: str = WORKLOAD, generation: int = 1):
        """Return values as the API seals them into a wish."""
        return self._keys.sealer().seal(
            json.dumps(values),
            reader=ServiceName.PROVISIONER,
            resource_id=resource_id,
            generation=generation,
        )

    async def row(self, workload_id: str = WORKLOAD) -> Workload | None:
        """Return the row of a workload."""
        async with self._database.read() as session:
            return await self.workloads.get(session, workload_id)

    async def fact(self, workload_id: str = WORKLOAD) -> WorkloadObservedV1:
        """Return the last fact of a workload."""
        row = await self.row(workload_id)
        return WorkloadObservedV1.model_validate(row.fact)

    def asked_for(self) -> list[LeaseDeclaredV1]:
        """Return every lease wish that was sent."""
        return self.bus.received(LeaseDeclaredV1)

    async def _surviving(self, call):
        while True:
            try:
                return await call()
            except Crash:
                self.crashes += 1
                self.restart()
                await self._clear()

    async def _clear(self) -> None:
        fault, self._database.fault = self._database.fault, lambda _point: None
        await self.reconciler.clear_claims()
        self._database.fault = fault

    async def __aenter__(self) -> Self:
        await self._database.run_sync(TABLES.metadata.create_all)
        return self

    async def __aexit__(self, *_error) -> None:
        await self._database.close()


async def open_world(directory: Path) -> AsyncIterator[World]:
    """Yield a world for a fixture."""
    async with World(directory) as world:
        yield world
