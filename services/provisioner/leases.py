"""Leases: how a revision of a workload comes to its secret values.

One lease for each revision that reads secrets, declared in the transaction that accepts the wish
and declared absent when the revision's pods are gone. The values stay sealed in the newest fact
of the lease and are opened only to make a pod, so a crashed pod starts again without the store.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import (
    LeasedCredential,
    LeaseDeclaredV1,
    LeaseObservedV1,
    LeaseStatus,
)
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1
from cassini.runtime.declarations import Declarations
from cassini.runtime.errors import GiveUp
from cassini.runtime.sealing import Opener
from services.provisioner.models import WorkloadLease

_NOUN = "lease"
_NAMESPACE = uuid.UUID("5f0d3a53-6a0c-4a8e-9a52-0d6d5b8f2c11")


def lease_id(workload_id: str, revision: int) -> str:
    """Return the id of a revision's lease: always the same one."""
    return uuid.uuid5(_NAMESPACE, f"{workload_id}-{revision}").hex


@dataclass(frozen=True)
class LeaseView:
    """What is known of a workload's leases."""

    revisions: frozenset[int]
    waiting_for: tuple[str, ...] = ()
    """Variables whose values are not here yet."""
    granted: LeaseObservedV1 | None = None


class Leases:
    """The leases of this service's workloads."""

    def __init__(self, declarations: Declarations, opener: Opener) -> None:
        self._declarations = declarations
        self._opener = opener

    async def declare(self, session: AsyncSession, wish: WorkloadDeclaredV1) -> None:
        """Ask for the values a wish names, unless they are asked for already."""
        least: dict[str, int] = {}
        for each in wish.spec.secrets if wish.spec else ():
            least[each.credential_id] = max(
                each.minimum_generation, least.get(each.credential_id, 0)
            )
        if not least:
            return
        asked = tuple(
            LeasedCredential(credential_id=name, minimum_generation=generation)
            for name, generation in sorted(least.items())
        )
        lease = lease_id(wish.id, wish.revision)
        await session.merge(WorkloadLease(id=lease, workload_id=wish.id, revision=wish.revision))
        last = await self._declarations.wish(session, _NOUN, lease)
        if not isinstance(last, LeaseDeclaredV1) or (last.wanted, last.credentials) != (
            Wanted.PRESENT,
            asked,
        ):
            await self._declare(session, lease, asked)

    async def release(
        self, session: AsyncSession, workload_id: str, revisions: frozenset[int]
    ) -> None:
        """Give back the leases of revisions that are gone."""
        for revision in sorted(revisions):
            lease = lease_id(workload_id, revision)
            row = await session.get(WorkloadLease, lease)
            if row is not None:
                await session.delete(row)
                await self._declare(session, lease, None)

    async def take(self, session: AsyncSession, fact: LeaseObservedV1) -> str | None:
        """Take in a fact; returns the workload to look at, if any.

        A grant that comes without values is a repetition of an answer that was lost: the lease
        is declared once more, which is answered with the values.
        """
        verdict = await self._declarations.take(session, fact)
        if verdict.unknown and fact.status is not LeaseStatus.ABSENT:
            wish = LeaseDeclaredV1(
                id=fact.id,
                declarer=ServiceName.PROVISIONER,
                generation=fact.generation + 1,
                wanted=Wanted.ABSENT,
            )
            await self._declarations.declare_stray(session, fact, wish)
        if not verdict.keep:
            return None
        if fact.status is LeaseStatus.GRANTED and fact.sealed is None:
            last = await self._declarations.wish(session, _NOUN, fact.id)
            if isinstance(last, LeaseDeclaredV1) and last.wanted == Wanted.PRESENT:
                await self._declare(session, fact.id, last.credentials)
        row = await session.get(WorkloadLease, fact.id)
        return None if row is None else row.workload_id

    async def look(
        self, session: AsyncSession, workload_id: str, wish: WorkloadDeclaredV1 | None
    ) -> LeaseView:
        """Return what is known for a workload's wish."""
        query = select(WorkloadLease.revision).where(col(WorkloadLease.workload_id) == workload_id)
        revisions = frozenset((await session.exec(query)).all())
        if wish is None or wish.spec is None or not wish.spec.secrets:
            return LeaseView(revisions)
        lease = lease_id(wish.id, wish.revision)
        last = await self._declarations.wish(session, _NOUN, lease)
        fact = await self._declarations.fact(session, _NOUN, lease)
        current = last is not None and fact is not None and fact.generation >= last.generation
        if not current or not isinstance(fact, LeaseObservedV1):
            return LeaseView(revisions, tuple(each.variable for each in wish.spec.secrets))
        if fact.status is LeaseStatus.GRANTED and fact.sealed is not None:
            return LeaseView(revisions, (), fact)
        missing = set(fact.waiting_for) or {each.credential_id for each in wish.spec.secrets}
        names = (each.variable for each in wish.spec.secrets if each.credential_id in missing)
        return LeaseView(revisions, tuple(names))

    def open(self, view: LeaseView, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the values of variables (variable -> credential id); keep them nowhere.

        Raises:
            GiveUp: the answer cannot be opened or lacks a value.
        """
        if not variables:
            return {}
        fact = view.granted
        if fact is None or fact.sealed is None:
            raise GiveUp("a pod was to be made without its secrets", reason="SecretsMissing")
        text = self._opener.open(fact.sealed, resource_id=fact.id, generation=fact.generation)
        values: dict[str, str] = json.loads(text)
        missing = [name for name, key in variables.items() if key not in values]
        if missing:
            raise GiveUp(f"no values came for {', '.join(missing)}", reason="SecretsMissing")
        return {name: values[key] for name, key in variables.items()}

    async def _declare(
        self,
        session: AsyncSession,
        lease: str,
        credentials: tuple[LeasedCredential, ...] | None,
    ) -> None:
        await self._declarations.declare(
            session,
            _NOUN,
            lease,
            lambda numbers: LeaseDeclaredV1(
                id=lease,
                declarer=ServiceName.PROVISIONER,
                generation=numbers.generation,
                wanted=Wanted.ABSENT if credentials is None else Wanted.PRESENT,
                credentials=credentials or (),
            ),
        )
