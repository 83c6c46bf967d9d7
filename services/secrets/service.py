"""The secrets service, put together."""

from cassini.contracts.resources import ServiceName
from cassini.runtime.ownership import Ownership
from cassini.runtime.service import Ground, Service
from cassini.runtime.workqueue import WorkQueue
from services.secrets.handlers import Handlers
from services.secrets.models import Credential, Lease
from services.secrets.reconciler import CredentialSteps, LeaseSteps
from services.secrets.stores.base import Store
from services.secrets.tables import TABLES


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
        keeping = CredentialSteps(credentials, leases, store, ground.opener)
        lending = LeaseSteps(credentials, leases, store, ground.sealer)
        handlers = Handlers(credentials, leases)
        self.handlers = {
            "credential.declared.v1": handlers.credential_declared,
            "lease.declared.v1": handlers.lease_declared,
        }
        self.owned = (
            self.own(credentials, keeping.step, keeping.failed),
            self.own(leases, lending.step, lending.failed),
        )
