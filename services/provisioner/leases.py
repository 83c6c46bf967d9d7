"""How a revision of a workload comes to its secret values.

What its declarer derived for it came sealed in the wish. For what the secrets service keeps there
is one lease a revision, declared in the transaction that accepts the wish and declared absent when
the revision's pods are gone. All values stay sealed, in the wish and in the newest fact of the
lease, and are opened only to make a pod, so a crashed pod starts again without the store.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import (
    LeasedCredential,
    LeaseDeclaredV1,
    LeaseObservedV1,
    LeaseStatus,
)
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import (
    SecretFile,
    SecretVariable,
    WorkloadDeclaredV1,
    WorkloadSpec,
)
from cassini.runtime.declarations import Declarations
from cassini.runtime.errors import GiveUp
from cassini.runtime.sealing import Opener
from services.provisioner.models import Workload

_NOUN = "lease"
_NAMESPACE = uuid.UUID("5f0d3a53-6a0c-4a8e-9a52-0d6d5b8f2c11")

MAX_BYTES = 1 << 20
"""Values begin their way in a pod's environment, for which Linux has two megabytes."""


def _named(spec: WorkloadSpec | None) -> dict[str, SecretVariable | SecretFile]:
    """Return the secrets of a spec under the names that people know: variables and paths."""
    if spec is None:
        return {}
    variables = {each.variable: each for each in spec.secrets}
    return variables | {each.path: each for each in spec.secret_files}


def lease_id(workload_id: str, revision: int) -> str:
    """Return the id of a revision's lease: always the same one."""
    return uuid.uuid5(_NAMESPACE, f"{workload_id}-{revision}").hex


@dataclass(frozen=True)
class LeaseView:
    """What is known of the lease of a wish."""

    waiting_for: tuple[str, ...] = ()
    """Variables and files whose values are not here yet, with the reason where one is known."""
    granted: LeaseObservedV1 | None = None


class Leases:
    """The leases of this service's workloads."""

    def __init__(self, declarations: Declarations, opener: Opener) -> None:
        self._declarations = declarations
        self._opener = opener

    async def declare(self, session: AsyncSession, row: Workload, wish: WorkloadDeclaredV1) -> None:
        """Ask for the values a row's new wish names, unless they are asked for already."""
        least: dict[str, int] = {}
        for each in _named(wish.spec).values():
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
        if wish.revision in row.leases:
            last = await self._declarations.wish(session, _NOUN, lease)
            if isinstance(last, LeaseDeclaredV1) and last.credentials == asked:
                return
        row.leases, row.lease_id = sorted({*row.leases, wish.revision}), lease
        await self._declare(session, lease, asked)

    async def release(
        self, session: AsyncSession, row: Workload, revisions: frozenset[int]
    ) -> None:
        """Give back the leases of revisions that are gone."""
        for revision in sorted(revisions.intersection(row.leases)):
            await self._declare(session, lease_id(row.id, revision), None)
        if revisions:
            row.leases = [revision for revision in row.leases if revision not in revisions]

    async def take(self, session: AsyncSession, fact: LeaseObservedV1) -> bool:
        """Take in a fact; returns whether the workload that it is for should look at it.

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
            return False
        if fact.status is LeaseStatus.GRANTED and fact.sealed is None:
            last = await self._declarations.wish(session, _NOUN, fact.id)
            if isinstance(last, LeaseDeclaredV1) and last.wanted == Wanted.PRESENT:
                await self._declare(session, fact.id, last.credentials)
        return True

    async def look(self, session: AsyncSession, wish: WorkloadDeclaredV1 | None) -> LeaseView:
        """Return what is known for a workload's wish."""
        named = _named(wish.spec) if wish else {}
        if wish is None or not named:
            return LeaseView()
        lease = lease_id(wish.id, wish.revision)
        last, fact = await self._declarations.both(session, _NOUN, lease)
        current = last is not None and fact is not None and fact.generation >= last.generation
        if not current or not isinstance(fact, LeaseObservedV1):
            return LeaseView(tuple(named))
        if fact.status is LeaseStatus.GRANTED and fact.sealed is not None:
            return LeaseView((), fact)
        missing = set(fact.waiting_for) or {each.credential_id for each in named.values()}
        names = (name for name, each in named.items() if each.credential_id in missing)
        why = f" ({fact.message})" if fact.message else ""
        return LeaseView(tuple(f"{name}{why}" for name in names))

    def open(
        self, wish: WorkloadDeclaredV1, view: LeaseView, variables: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the values of variables (variable -> credential id), and those the wish brought.

        They are to be kept nowhere.

        Raises:
            GiveUp: something cannot be opened, or a value is missing.
        """
        lent = self._lent(view, variables) if variables else {}
        if wish.sealed is None:
            return lent
        text = self._opener.open(wish.sealed, resource_id=wish.id, generation=wish.generation)
        came: dict[str, str] = json.loads(text)
        return lent | came

    def _lent(self, view: LeaseView, variables: Mapping[str, str]) -> dict[str, str]:
        fact = view.granted
        if fact is None or fact.sealed is None:
            raise GiveUp("a pod was to be made without its secrets", reason="SecretsMissing")
        text = self._opener.open(fact.sealed, resource_id=fact.id, generation=fact.generation)
        values: dict[str, str] = json.loads(text)
        size = sum(len(values.get(key, "").encode()) for key in variables.values())
        if size > MAX_BYTES:
            raise GiveUp(
                f"The secrets are too long together: {size} bytes, and a start takes {MAX_BYTES}. "
                "Attach fewer, or shorter ones.",
                reason="SecretsTooLong",
            )
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
