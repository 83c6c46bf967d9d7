"""The secrets service, put together."""

import asyncio

from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import BackendError
from cassini.runtime.ownership import Ownership
from cassini.runtime.service import Ground, Health, Service
from cassini.runtime.workqueue import WorkQueue
from services.secrets.handlers import Handlers
from services.secrets.models import Credential, Lease
from services.secrets.outage import Outage
from services.secrets.reconciler import CredentialSteps, LeaseSteps
from services.secrets.stores.base import Store
from services.secrets.tables import TABLES

_CHECK_SECONDS = 5.0


class SecretsService(Service):
    """Keeps values in a store and lends them to those who may read them."""

    def __init__(self, ground: Ground, store: Store) -> None:
        super().__init__(ServiceName.SECRETS, TABLES, ground)
        credentials = Ownership(
            Credential, "credential", outbox=self.outbox, clock=ground.clock, queue=WorkQueue()
        )
        leases = Ownership(
            Lease, "lease", outbox=self.outbox, clock=ground.clock, queue=WorkQueue()
        )
        outage = Outage(store, self.database, (credentials, leases), ground.clock)
        keeping = CredentialSteps(credentials, leases, store, ground.opener, outage)
        lending = LeaseSteps(credentials, leases, store, ground.sealer, outage)
        handlers = Handlers(credentials, leases)
        self.handlers = {
            "credential.declared.v1": handlers.credential_declared,
            "lease.declared.v1": handlers.lease_declared,
        }
        self.owned = (
            self.own(credentials, keeping.step, keeping.failed),
            self.own(leases, lending.step, lending.failed),
        )
        self.loops = {"store": store.keep_open, "outage": outage.run}
        self._store = store

    async def health(self) -> Health:
        """Say whether the service can do its work now: its store is asked, each time."""
        health = await super().health()
        if not health.ready:
            return health
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._store.check()
        except BackendError as error:
            return Health(ready=False, reason=f"{self.name}: {error.message}")
        except TimeoutError:
            return Health(ready=False, reason=f"{self.name}: the secret store does not answer")
        return Health(ready=True)
