"""What the provisioner does with each event: keep it, ask for secrets, wake the reconciler."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import LeaseObservedV1
from cassini.contracts.protocol import WishVerdict
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1
from cassini.runtime.ownership import Ownership
from services.provisioner.leases import Leases
from services.provisioner.models import Workload

_LEASE_SECONDS = 0.3
"""When to say that secrets are waited for, unless the lease is answered before."""


class Handlers:
    """The handlers, over what this service owns and asks for."""

    def __init__(self, workloads: Ownership[Workload], leases: Leases) -> None:
        self._workloads = workloads
        self._leases = leases

    async def workload_declared(self, session: AsyncSession, wish: WorkloadDeclaredV1) -> None:
        """Keep the wish; in the same transaction ask for the secrets of what is to run."""
        waits = wish.wanted == Wanted.RUNNING and wish.spec is not None and wish.spec.secrets
        after = _LEASE_SECONDS if waits else 0.0
        row, verdict = await self._workloads.accept(session, wish, wake_after=after)
        if verdict is WishVerdict.ACCEPT and wish.wanted == Wanted.RUNNING:
            await self._leases.declare(session, row, wish)

    async def lease_observed(self, session: AsyncSession, fact: LeaseObservedV1) -> None:
        """Keep the answer and let the workload that waits for it go on."""
        if fact.declarer is not ServiceName.PROVISIONER:
            return
        # The workload's row first, as a wish locks it: the other way round they would wait for
        # each other.
        waiting = select(Workload).where(col(Workload.lease_id) == fact.id).with_for_update()
        row = (await session.exec(waiting)).one_or_none()
        if await self._leases.take(session, fact) and row is not None:
            self._workloads.wake(session, row)
