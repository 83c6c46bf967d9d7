"""Secrets that people keep: finding them as a caller may see them, making, changing, removing.

A secret may be given to resources of its owner; one with the access ``org`` to those of everybody
in its owner's org. Its owner may take it back at any time: by removing it, or by keeping it to
themselves again. What it was given to keeps the place, empty (``withdraw``), and what runs keeps
the value until it is started anew.

Locks are taken in one order everywhere: secrets by their ids, image version, resource, declaration.
"""

from typing import Any

from sqlalchemy import false
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    CredentialObservedV1,
    CredentialStatus,
)
from cassini.contracts.resources import new_id
from cassini.runtime.database import after_commit
from cassini.runtime.errors import Conflict, Forbidden, NotFound
from services.api.access import Action, missing, require
from services.api.auth.caller import Caller
from services.api.auth.models import OwnerRow
from services.api.context import ApiContext
from services.api.credentials.models import Secret, SecretAccess, SecretAttachment
from services.api.credentials.schemas import SecretCreate
from services.api.credentials.wishes import declare_absent, declare_value
from services.api.people.accounts import audit
from services.api.people.owners import Owner, orgs_of


def visible(caller: Caller) -> SelectOfScalar[Secret]:
    """Select the secrets that a caller may see: their own, and those that their org may use.

    A token that is for some resources only sees none: it must not come to other values.
    """
    if caller.scope.resources is not None:
        return select(Secret).where(false())
    mine = col(Secret.owner_id).in_(caller.owner_ids)
    return select(Secret).where(or_(mine, _of_org(caller)))


def of_owner(caller: Caller, owner_id: str) -> SelectOfScalar[Secret]:
    """Select the secrets of an owner that the caller may act as; an admin may as everybody."""
    if caller.scope.resources is not None:
        return visible(caller)
    return select(Secret).where(col(Secret.owner_id) == owner_id)


async def visible_secret(
    session: AsyncSession, caller: Caller, action: Action, secret_id: str, *, lock: bool = False
) -> Secret:
    """Return a secret that the caller may do this to; ``lock``: for a change.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    query = select(Secret).where(col(Secret.id) == secret_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    secret = (await session.exec(query)).one_or_none()
    if secret is None:
        raise missing("secret")
    try:
        require(caller, action, owner_id=secret.owner_id, resource_id=secret.id, what="secret")
    except NotFound:
        seen = visible(caller).where(col(Secret.id) == secret_id)
        if (await session.exec(seen)).first() is None:
            raise
        if action is not Action.VIEW:
            raise Forbidden("only its owner may change a secret of the org") from None
    return secret


async def lock_secrets(session: AsyncSession, where: Any) -> None:
    """Lock secrets by their ids for this transaction; nobody changes or removes them meanwhile."""
    query = select(Secret).where(where).order_by(col(Secret.id)).with_for_update()
    await session.exec(query.execution_options(populate_existing=True))


async def is_usable(session: AsyncSession, secret: Secret, owner_id: str) -> bool:
    """Whether a secret may be given to a resource of this owner."""
    if secret.owner_id == owner_id:
        return True
    if secret.access != SecretAccess.ORG:
        return False
    orgs = select(col(OwnerRow.org_id)).where(col(OwnerRow.id).in_({secret.owner_id, owner_id}))
    return len((await session.exec(orgs.distinct())).all()) == 1


async def create(
    session: AsyncSession, api: ApiContext, caller: Caller, owner: Owner, body: SecretCreate
) -> Secret:
    """Keep a new secret of an owner.

    Raises:
        Conflict: the owner has one of that name.
    """
    row = Secret(
        id=new_id(),
        owner_id=owner.id,
        name=body.name,
        access=body.access,
        created_at=api.clock.now(),
    )
    await _require_free(session, row)
    row.generation = await declare_value(session, api, row.id, body.value)
    session.add(row)
    await session.flush()
    _tell(session, caller, row, "secret made")
    return row


async def change(
    session: AsyncSession, api: ApiContext, caller: Caller, row: Secret, values: dict[str, Any]
) -> None:
    """Give a locked secret a name, an access or a value; what it was given to follows.

    Raises:
        Conflict: its owner has another secret of that name.
    """
    resources = []
    if values.get("name", row.name) != row.name:
        row.name = values["name"]
        with session.no_autoflush:
            await _require_free(session, row)
    if values.get("access", row.access) != row.access:
        row.access = values["access"]
        if row.access == SecretAccess.OWNER:
            resources += await withdraw(session, row, but_of=row.owner_id)
    if "value" in values:
        row.generation = await declare_value(session, api, row.id, values["value"])
        row.status, row.message = CredentialStatus.PENDING.value, None
        resources += await users_of(session, row)
    session.add(row)
    await session.flush()
    await api.secrets_changed(session, api, resources)
    _tell(session, caller, row, "secret changed", fields=sorted(values))


async def remove(session: AsyncSession, api: ApiContext, caller: Caller, row: Secret) -> None:
    """Forget a locked secret and its value."""
    resources = await withdraw(session, row)
    await declare_absent(session, api, row.id)
    await session.delete(row)
    await session.flush()
    await api.secrets_changed(session, api, resources)
    _tell(session, caller, row, "secret removed")


async def users_of(session: AsyncSession, row: Secret) -> list[str]:
    """Return the ids of the resources that a secret is given to."""
    query = select(SecretAttachment.resource_id).where(col(SecretAttachment.secret_id) == row.id)
    return list((await session.exec(query)).all())


async def withdraw(session: AsyncSession, row: Secret, *, but_of: str | None = None) -> list[str]:
    """Take a secret from resources, but those of one owner; returns their ids."""
    query = select(SecretAttachment).where(col(SecretAttachment.secret_id) == row.id)
    if but_of is not None:
        query = query.where(col(SecretAttachment.owner_id) != but_of)
    found = (await session.exec(query)).all()
    for attachment in found:
        attachment.secret_id = None
        session.add(attachment)
    await session.flush()
    return [attachment.resource_id for attachment in found]


async def locked(session: AsyncSession, secret_id: str) -> Secret | None:
    """Return a secret by its id, whoever asks, locked for a change."""
    await lock_secrets(session, col(Secret.id) == secret_id)
    return await session.get(Secret, secret_id)


async def observed(
    session: AsyncSession, api: ApiContext, row: Secret, fact: CredentialObservedV1, *, jumped: bool
) -> None:
    """Take in the newest fact about a locked secret; starts that wait for it go on.

    ``jumped``: the fact was ahead of the wish, which was declared again with other numbers.
    """
    before = (row.generation, row.status, row.message)
    if jumped:
        wish = await api.declarations.wish(session, "credential", row.id)
        if isinstance(wish, CredentialDeclaredV1):
            row.generation, row.status = wish.generation, CredentialStatus.PENDING.value
    elif fact.generation == row.generation and fact.status != CredentialStatus.ABSENT:
        row.status, row.message = fact.status.value, fact.message
    if before != (row.generation, row.status, row.message):
        session.add(row)
        await session.flush()
        await api.secrets_changed(session, api, await users_of(session, row))


async def _require_free(session: AsyncSession, row: Secret) -> None:
    same = select(Secret.id).where(
        col(Secret.owner_id) == row.owner_id, col(Secret.name) == row.name, col(Secret.id) != row.id
    )
    if (await session.exec(same.limit(1))).first() is not None:
        raise Conflict(
            f"There is a secret named {row.name} already: choose another name, or change "
            "its value.",
            code="name_taken",
        )


def _of_org(caller: Caller) -> Any:
    in_org = select(col(OwnerRow.id)).where(col(OwnerRow.org_id).in_(orgs_of(caller)))
    return (col(Secret.access) == SecretAccess.ORG.value) & col(Secret.owner_id).in_(in_org)


def _tell(session: AsyncSession, caller: Caller, row: Secret, what: str, **more: Any) -> None:
    told = {"secret": row.id, "by": caller.username, **more}
    after_commit(session, lambda: audit.info(what, **told))
