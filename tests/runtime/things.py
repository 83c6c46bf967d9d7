"""A noun to test the plumbing with: the image messages, on a table of our own, and a stage."""

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from cassini.contracts.images import ImageDeclaredV1, ImageObservedV1, ImageSpec, ImageStatus
from cassini.contracts.resources import ServiceName, Wanted
from cassini.runtime.declarations import Declarations, declaration_table
from cassini.runtime.outbox import Outbox, outbox_table
from cassini.runtime.ownership import OwnedRow, Ownership
from cassini.runtime.reconcile import Reconciler
from cassini.runtime.relay import Relay
from cassini.runtime.workqueue import WorkQueue
from cassini.testing.probe import ProbeBus

ID, OTHER_ID = "a" * 32, "b" * 32


class ThingTable(SQLModel, registry=registry()):
    pass


class Thing(OwnedRow, ThingTable, table=True):
    __tablename__ = "thing"
    note: str = ""


OUTBOX = outbox_table(ThingTable.metadata)
DECLARATION = declaration_table(ThingTable.metadata)


def wish(generation=1, *, resource_id=ID, what="one", wanted=Wanted.PRESENT, declarer="api"):
    return ImageDeclaredV1(
        id=resource_id,
        declarer=ServiceName(declarer),
        generation=generation,
        wanted=wanted,
        spec=ImageSpec(builtin=what),
    )


def fact(generation=1, sequence=1, *, digest="", resource_id=ID, status=ImageStatus.BUILT):
    return ImageObservedV1(
        id=resource_id,
        declarer=ServiceName.API,
        generation=generation,
        sequence=sequence,
        wish_digest=digest,
        status=status,
    )


@dataclass
class Stage:
    """One replica of one service that declares images and owns them too."""

    database: object
    clock: object
    bus: ProbeBus = field(default_factory=ProbeBus)

    def __post_init__(self):
        self.outbox = Outbox(OUTBOX, service=ServiceName.API, bus=self.bus, clock=self.clock)
        self.relay = Relay(self.database, self.outbox, self.bus, self.clock)
        self.declarations = Declarations(DECLARATION, self.outbox, self.clock)
        self.owned = Ownership(
            Thing, "image", outbox=self.outbox, clock=self.clock, queue=WorkQueue()
        )

    def reconciler(self, step, failed=None, workers=2):
        return Reconciler(
            self.database,
            self.owned,
            step=step,
            failed=failed or self.failed,
            clock=self.clock,
            workers=workers,
        )

    async def failed(self, session, row, error, final):
        status = ImageStatus.ERROR if final else ImageStatus.PENDING
        await self.owned.observe(session, row, status=status, message=error.message)

    async def emit(self, *messages):
        async with self.database.write() as session:
            for message in messages:
                await self.outbox.emit(session, message)

    async def accept(self, message):
        async with self.database.write() as session:
            return (await self.owned.accept(session, message))[1]

    async def observe(self, status, resource_id=ID):
        async with self.database.write() as session:
            row = await self.owned.get(session, resource_id)
            return await self.owned.observe(session, row, status=status)

    async def row(self, resource_id=ID):
        async with self.database.read() as session:
            return await session.get(Thing, resource_id)

    async def declare(self, what="one", *, new_revision=False, resource_id=ID):
        async with self.database.write() as session:
            return await self.declarations.declare(
                session,
                "image",
                resource_id,
                lambda numbers: wish(numbers.generation, what=what, resource_id=resource_id),
                new_revision=new_revision,
            )

    async def take(self, message):
        async with self.database.write() as session:
            return await self.declarations.take(session, message)

    async def declaration(self):
        async with self.database.read() as session:
            return (await session.execute(select(DECLARATION))).one()

    async def send_all(self):
        """Send all that is due; returns the messages that were taken since the last call."""
        while await self.relay.send_due():
            pass
        sent, self.bus.sent = self.bus.sent, []
        return [envelope.message() for _, envelope in sent]

    async def count(self, table):
        async with self.database.read() as session:
            return (await session.execute(select(func.count()).select_from(table))).scalar_one()
