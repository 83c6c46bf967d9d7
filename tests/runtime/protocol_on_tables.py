"""Both sides of the protocol as the services run them, on tables, for the model's random walk."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import MetaData, delete, insert
from sqlalchemy.orm import registry
from sqlmodel import SQLModel, select

from cassini.contracts.catalog import CATALOG
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadObservedV1, WorkloadStatus
from cassini.runtime.declarations import Declarations, declaration_table
from cassini.runtime.outbox import Outbox, outbox_table
from cassini.runtime.ownership import OwnedRow, Ownership
from cassini.runtime.reconcile import Reconciler, Settled
from cassini.runtime.relay import Relay
from cassini.runtime.workqueue import WorkQueue
from cassini.testing.probe import ProbeBus
from tests.contracts.protocol_sides import wish_of


class WalkTable(SQLModel, registry=registry()):
    pass


class Walked(OwnedRow, WalkTable, table=True):
    __tablename__ = "walked"


DECLARER = MetaData()
DECLARER_OUTBOX, DECLARATION = outbox_table(DECLARER), declaration_table(DECLARER)
OWNER_OUTBOX = outbox_table(WalkTable.metadata)


class Side:
    """What both sides share: one table of rows that is looked at, saved and put back."""

    def __init__(self, database, table, outbox_tables, service, clock):
        self.database, self.clock = database, clock
        self.outbox = Outbox(outbox_tables, service=service, bus=ProbeBus(), clock=clock)
        self._table = table
        self._probe = ProbeBus()
        self._relay = Relay(database, self.outbox, self._probe, clock)
        self._seen: dict[str, Any] | None = None

    async def drain(self):
        """Send what was committed; look at the rows anew afterwards."""
        while await self._relay.send_due():
            pass
        sent, self._probe.sent = self._probe.sent, []
        return [envelope.message() for _, envelope in sent]

    async def rows(self):
        async with self.database.read() as session:
            return [dict(row._mapping) for row in await session.execute(select(self._table))]

    async def save(self):
        return await self.rows()

    async def restore(self, saved):
        async with self.changing() as session:
            await session.execute(delete(self._table))
            if saved:
                await session.execute(insert(self._table), saved)

    def changing(self):
        self._seen = None
        return self.database.write()

    async def view(self):
        if self._seen is None:
            self._seen = {row["id"]: self.seen(row) for row in await self.rows()}
        return self._seen


@dataclass(frozen=True)
class Seen:
    generation: int
    wish_digest: str
    wish: Any
    fact: Any
    sequence: int = 0
    observed_generation: int = 0
    observed_sequence: int = 0


def messages(row):
    wish = row["wish"] and CATALOG["workload.declared.v1"].model.model_validate(row["wish"])
    fact = row["fact"] and WorkloadObservedV1.model_validate(row["fact"])
    return {"wish": wish, "fact": fact}


class TableDeclarer(Side):
    def __init__(self, database, clock):
        super().__init__(database, DECLARATION, DECLARER_OUTBOX, ServiceName.API, clock)
        self.declarations = Declarations(DECLARATION, self.outbox, clock)

    @staticmethod
    def seen(row):
        names = ("generation", "wish_digest", "observed_generation", "observed_sequence")
        return Seen(**{name: row[name] for name in names}, **messages(row))

    async def declare(self, resource_id, wanted, command, *, new_revision):
        def make(numbers):
            return wish_of(resource_id, numbers.generation, numbers.revision, wanted, command)

        async with self.changing() as session:
            await self.declarations.declare(
                session, "workload", resource_id, make, new_revision=new_revision
            )

    async def take(self, fact):
        async with self.changing() as session:
            verdict = await self.declarations.take(session, fact)
            if verdict.unknown and fact.status is not WorkloadStatus.ABSENT:
                generation, revision = fact.generation + 1, fact.revision
                wish = wish_of(fact.id, generation, revision, Wanted.STOPPED, None)
                await self.declarations.declare_stray(session, fact, wish)

    async def emit_due(self):
        self._seen = None
        await self.declarations.emit_due(self.database)


class TableOwner(Side):
    def __init__(self, database, clock):
        super().__init__(
            database, Walked.__table__, OWNER_OUTBOX, ServiceName.PROVISIONER, clock
        )  # fmt: skip
        self.ownership = Ownership(
            Walked, "workload", outbox=self.outbox, clock=clock, queue=WorkQueue()
        )
        self.reconciler = Reconciler(
            database, self.ownership, step=None, failed=None, clock=clock
        )  # fmt: skip

    @staticmethod
    def seen(row):
        names = ("generation", "wish_digest", "sequence")
        return Seen(**{name: row[name] for name in names}, **messages(row))

    async def accept(self, wish):
        async with self.changing() as session:
            await self.ownership.accept(session, wish)

    async def begin(self, resource_id):
        return Step(await self.reconciler._claim(resource_id))

    async def begin_anew(self):
        """The process was killed and starts again: what is left of its steps are void claims."""
        self._seen = None
        await self.reconciler.clear_claims()

    async def finish(self, work, status, revision):
        async def write(session, row):
            await self.ownership.observe(session, row, status=status, revision=revision)

        self._seen = None
        await self.reconciler._settle(work.claim, Settled(write=write))

    async def find(self, resource_id):
        async with self.changing() as session:
            session.add(Walked(id=resource_id, declarer=ServiceName.API))

    async def observe_again(self, *, renumber=False):
        self._seen = None
        await self.ownership.observe_again(self.database, renumber=renumber)


class Step:
    """A claimed row, as the walk looks at it."""

    def __init__(self, claim):
        self.claim = claim
        self.resource_id, self.generation = claim.row.id, claim.row.generation
        self.wish = messages(claim.row.model_dump())["wish"]
