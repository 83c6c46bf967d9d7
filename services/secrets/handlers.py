"""What the secrets service does with each event: keep the wish, wake its reconciler."""

from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import CredentialDeclaredV1, LeaseDeclaredV1, LeaseStatus
from cassini.contracts.protocol import WishVerdict
from cassini.runtime.ownership import Ownership
from services.secrets.models import Credential, Lease


class Handlers:
    """The handlers, over what this service owns."""

    def __init__(self, credentials: Ownership[Credential], leases: Ownership[Lease]) -> None:
        self._credentials = credentials
        self._leases = leases

    async def credential_declared(self, session: AsyncSession, wish: CredentialDeclaredV1) -> None:
        """Keep the sealed value until the reconciler has put it into the store."""
        await self._credentials.accept(session, wish)

    async def lease_declared(self, session: AsyncSession, wish: LeaseDeclaredV1) -> None:
        """Keep the wish; one that comes again is answered again, with the values.

        The asker may have lost the first answer, and what is kept of an answer has no values.
        """
        row, verdict = await self._leases.accept(session, wish)
        if verdict is not WishVerdict.STALE:
            row.status = LeaseStatus.PENDING
        if verdict is WishVerdict.REPEATED:
            self._leases.wake(session, row)
