"""A service that owns the noun of ``things.py`` and fulfils each wish at once."""

from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import ServiceName
from cassini.runtime.ownership import Ownership
from cassini.runtime.reconcile import Settled
from cassini.runtime.service import Service, ServiceTables
from cassini.runtime.workqueue import WorkQueue
from tests.runtime.things import DECLARATION, OUTBOX, Thing, ThingTable


class Tables(ServiceTables):
    def __init__(self):
        self.metadata, self.versions = ThingTable.metadata, None
        self.outbox, self.declaration = OUTBOX, DECLARATION


class Builder(Service):
    """Its steps fail with ``error`` where there is one; it refuses what is named so."""

    def __init__(self, ground):
        super().__init__(ServiceName.BUILDER, Tables(), ground)
        self.images = Ownership(
            Thing, "image", outbox=self.outbox, clock=self.clock, queue=WorkQueue()
        )
        self.error = None
        self.steps = []
        self.events = []
        self.handlers = {"image.declared.v1": self.declared}
        self.owned = [self.own(self.images, self.step, self.failed)]

    async def declared(self, session, message):
        if message.spec.builtin == "refused":
            raise ValueError(message.spec.builtin)
        await self.images.accept(session, message)

    async def step(self, claim):
        self.steps.append(claim)
        if self.error is not None:
            raise self.error

        async def write(session, row):
            await self.images.observe(session, row, status=ImageStatus.BUILT)

        return Settled(write=write)

    async def failed(self, session, row, error, final):
        pass

    async def open(self):
        self.events.append("opened")
