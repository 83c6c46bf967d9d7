"""The steps of the secrets service: put values into the store, answer leases from it.

The store is the truth of what is kept, this service's rows are not: a lease is answered from the
store, so it is right even when the database is an older copy. A value that is asked for and not
there makes its credential ``lost``; the declarer then sets it again, and whoever waits is woken.
A store that has a later generation than the wish means that this service's database is an older
copy: the fact then tells that generation, so that the declarer jumps past it.
"""

import json
from functools import partial

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    CredentialStatus,
    LeaseDeclaredV1,
    LeaseStatus,
)
from cassini.contracts.resources import ServiceName, Wanted
from cassini.runtime.database import after_commit
from cassini.runtime.errors import CassiniError
from cassini.runtime.ownership import Ownership, observe_under
from cassini.runtime.reconcile import Claim, Settled
from cassini.runtime.sealing import Opener, Sealer
from cassini.runtime.tracing import traced
from services.secrets.leases import answer
from services.secrets.models import Credential, Lease
from services.secrets.outage import Outage
from services.secrets.stores.base import NewerKept, Store, StoredValue

_LOOK_AGAIN_SECONDS = 5.0
"""When a waiting lease looks again by itself: the value may be stored by another replica."""


class CredentialSteps:
    """Brings the store to what credentials wish for."""

    def __init__(
        self,
        credentials: Ownership[Credential],
        leases: Ownership[Lease],
        store: Store,
        opener: Opener,
        outage: Outage,
    ) -> None:
        self._credentials = credentials
        self._leases = leases
        self._store = store
        self._opener = opener
        self._outage = outage

    async def step(self, claim: Claim[Credential]) -> Settled[Credential]:
        """Store, forget, or find out whether the value is still there."""
        if claim.row.wish is None:
            return Settled(write=self._write(CredentialStatus.LOST))
        wish = CredentialDeclaredV1.model_validate(claim.row.wish)
        try:
            status = await self._fulfil(wish)
        except NewerKept as error:
            newer = error
            return Settled(write=lambda session, row: self._tell_newer(session, row, newer))
        return Settled(write=self._write(status))

    async def _fulfil(self, wish: CredentialDeclaredV1) -> CredentialStatus:
        if wish.wanted == Wanted.ABSENT:
            await traced(self._store.delete(wish.id, generation=wish.generation))
            return CredentialStatus.ABSENT
        if wish.sealed is None:
            kept = await traced(self._store.get(wish.id))
            if kept is None or kept.value_id != wish.value_id:
                return CredentialStatus.LOST
            value = kept.value
        else:
            value = self._opener.open(wish.sealed, resource_id=wish.id, generation=wish.generation)
        await traced(self._store.put(wish.id, StoredValue(wish.generation, wish.value_id, value)))
        return CredentialStatus.STORED

    async def _tell_newer(self, session: AsyncSession, row: Credential, newer: NewerKept) -> None:
        """Say that the store is ahead: whoever declared this wish declares it past that."""
        row.generation = newer.generation
        observe_under(session, row, newer.generation, row.wish_digest)
        await self._credentials.observe(
            session,
            row,
            status=CredentialStatus.PENDING,
            reason="NewerValueKept",
            message="the secret store has a later value than this wish: it is declared again",
        )

    async def failed(
        self, session: AsyncSession, row: Credential, error: CassiniError, _final: bool
    ) -> None:
        """Show why the value is not stored yet, or never will be."""
        self._outage.note(error)
        await self._credentials.observe(
            session,
            row,
            status=CredentialStatus.PENDING,
            reason=getattr(error, "reason", "StoreUnavailable"),
            message=error.message,
        )

    def _write(self, status: CredentialStatus) -> "_Write":
        return _Write(self._credentials, self._leases, status)


class _Write:
    """Writes how a credential's step ended, and hints the leases that may wait for it.

    Only a hint: two rows written in both orders by two transactions would wait for each other.
    """

    def __init__(
        self,
        credentials: Ownership[Credential],
        leases: Ownership[Lease],
        status: CredentialStatus,
    ) -> None:
        self._credentials = credentials
        self._leases = leases
        self._status = status

    async def __call__(self, session: AsyncSession, row: Credential) -> None:
        row.tombstone = self._status is CredentialStatus.ABSENT
        if row.wish is not None and self._status is not CredentialStatus.LOST:
            row.wish = row.wish | {"sealed": None}
        lost = self._status is CredentialStatus.LOST
        await self._credentials.observe(
            session,
            row,
            status=self._status,
            reason="ValueLost" if lost else None,
            message="the store does not have the value: it must be set again" if lost else None,
        )
        if self._status is CredentialStatus.STORED:
            pending = select(Lease.id).where(col(Lease.status) == LeaseStatus.PENDING)
            for lease_id in (await session.exec(pending)).all():
                after_commit(session, partial(self._leases.queue.add, lease_id))


class LeaseSteps:
    """Answers leases from the store."""

    def __init__(
        self,
        credentials: Ownership[Credential],
        leases: Ownership[Lease],
        store: Store,
        sealer: Sealer,
        outage: Outage,
    ) -> None:
        self._credentials = credentials
        self._leases = leases
        self._store = store
        self._sealer = sealer
        self._outage = outage

    async def step(self, claim: Claim[Lease]) -> Settled[Lease]:
        """Grant the lease, or say what it waits for; nothing more where that is done."""
        if claim.row.status != LeaseStatus.PENDING:
            return Settled()
        wish = LeaseDeclaredV1.model_validate(claim.row.wish)
        if wish.wanted == Wanted.ABSENT:
            return Settled(write=self._end)
        found = {}
        for asked in wish.credentials:
            kept = await traced(self._store.get(asked.credential_id))
            if kept is not None:
                found[asked.credential_id] = (kept.generation, kept.value)
        reply = answer(wish, found)
        if not reply.complete:
            missing = reply.missing
            return Settled(
                again=_LOOK_AGAIN_SECONDS,
                write=lambda session, row: self._wait(session, row, missing),
            )
        sealed = self._sealer.seal(
            json.dumps(reply.values),
            reader=wish.declarer,
            resource_id=wish.id,
            generation=wish.generation,
        )
        return Settled(write=lambda session, row: self._grant(session, row, sealed))

    async def failed(
        self, session: AsyncSession, row: Lease, error: CassiniError, _final: bool
    ) -> None:
        """Show why the lease is not answered yet."""
        self._outage.note(error)
        row.status = LeaseStatus.PENDING
        await self._leases.observe(
            session,
            row,
            status=LeaseStatus.PENDING,
            reason="StoreUnavailable",
            message=error.message,
        )

    async def _grant(self, session: AsyncSession, row: Lease, sealed: str) -> None:
        row.status = LeaseStatus.GRANTED
        await self._leases.observe(session, row, status=LeaseStatus.GRANTED, sealed=sealed)

    async def _end(self, session: AsyncSession, row: Lease) -> None:
        row.status, row.tombstone = LeaseStatus.ABSENT, True
        await self._leases.observe(session, row, status=LeaseStatus.ABSENT)

    async def _wait(self, session: AsyncSession, row: Lease, missing: tuple[str, ...]) -> None:
        """Say what is waited for and why it is not there, and look after those credentials.

        One that this service has no row of was known to it once, before an older copy of its
        database was put back: a fact of generation 0 makes the declarer say what it wishes.
        """
        known = select(Credential).where(col(Credential.id).in_(missing))
        rows = {each.id: each for each in (await session.exec(known)).all()}
        why = {each.fact["message"] for each in rows.values() if each.fact} - {None}
        row.status = LeaseStatus.PENDING
        await self._leases.observe(
            session,
            row,
            status=LeaseStatus.PENDING,
            reason="WaitingForCredentials",
            message="; ".join(sorted(why)) or None,
            waiting_for=missing,
        )
        for credential_id in missing:
            credential = rows.get(credential_id)
            if credential is None:
                credential = Credential(id=credential_id, declarer=ServiceName.API)
                session.add(credential)
            self._credentials.wake(session, credential)
