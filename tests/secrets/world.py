"""The secrets service on a bus that records, and the hands of its declarers."""

import json
from datetime import UTC, datetime

from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    LeasedCredential,
    LeaseDeclaredV1,
)
from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.clock import SystemClock
from cassini.runtime.inbox import Inbox
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from services.secrets.service import SecretsService
from services.secrets.stores.base import StoreUnavailable
from services.secrets.stores.local import LocalStore


class FailingStore(LocalStore):
    """A local store that cannot be reached while ``away``."""

    away = False

    async def put(self, credential_id, value):
        await self.check()
        await super().put(credential_id, value)

    async def get(self, credential_id):
        await self.check()
        return await super().get(credential_id)

    async def check(self):
        if self.away:
            raise StoreUnavailable("the store is away")
        await super().check()


class Secrets:
    """The service with its bus, and the hands of its declarers."""

    def __init__(self, database, directory, store=None):
        self.ring = KeyRing(directory / "keys")
        self.bus = ProbeBus()
        self.store = store or FailingStore(directory / "store", directory / "keys" / "store.key")
        self.service = SecretsService(
            Ground(
                database=database,
                bus=self.bus,
                clock=SystemClock(),
                sealer=self.ring.sealer(),
                opener=self.ring.opener(ServiceName.SECRETS),
                exclusive=True,
            ),
            self.store,
        )

    async def declare(self, wish):
        inbox = Inbox(ServiceName.SECRETS, self.service.database, self.service.handlers)
        source, now = wish.declarer, datetime.now(UTC)
        event = envelop(wish, event_id=new_id(), source=source, time=now)
        assert await inbox.receive([event]) == [None]

    async def set(self, credential_id, value, *, generation=1, sealed=True):
        text = self.ring.sealer().seal(
            value, reader=ServiceName.SECRETS, resource_id=credential_id, generation=generation
        )
        await self.declare(
            CredentialDeclaredV1(
                id=credential_id,
                declarer="api",
                generation=generation,
                wanted="present",
                value_id=f"value of generation {generation}",
                sealed=text if sealed else None,
            )
        )

    async def remove(self, credential_id, *, generation):
        await self.declare(
            CredentialDeclaredV1(
                id=credential_id,
                declarer="api",
                generation=generation,
                wanted="absent",
                value_id="",
            )
        )

    async def ask(self, lease_id, *asked, generation=1, wanted="present"):
        await self.declare(
            LeaseDeclaredV1(
                id=lease_id,
                declarer="provisioner",
                generation=generation,
                wanted=wanted,
                credentials=tuple(
                    LeasedCredential(credential_id=each, minimum_generation=least)
                    for each, least in asked
                ),
            )
        )

    async def fact(self, model, resource_id, status):
        """Wait for a fact of this status."""

        def newest():
            facts = [fact for fact in self.bus.received(model) if fact.id == resource_id]
            return facts[-1] if facts and facts[-1].status == status else None

        return await until(newest, seconds=30)

    def values(self, fact):
        opener = self.ring.opener(ServiceName.PROVISIONER)
        sealed = opener.open(fact.sealed, resource_id=fact.id, generation=fact.generation)
        return json.loads(sealed)
