"""Owners: who things belong to, and the ways clients name them.

An owner is a user in an org. Its name is ``<org>/<user>``; ``<org>/`` and a bare ``<user>`` are
read too (the caller, and the primary org, stand for what is left out). An owner that the caller
may not act as does not exist for the caller.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from fastapi import Depends, Query
from sqlalchemy import false
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import NotFound
from services.api.auth.caller import Caller
from services.api.auth.models import Org, OwnerRow, User
from services.api.auth.names import split_path
from services.api.wire import WireIn, WireOut, avatar, timestamp


@dataclass(frozen=True)
class Owner:
    """An owner with its names."""

    id: str
    org_id: str
    org_name: str
    user_id: str
    identity_name: str
    org_admin: bool
    created_at: float

    @property
    def name(self) -> str:
        """The full name: ``<org>/<user>``."""
        return f"{self.org_name}/{self.identity_name}"


class OwnerFields(WireIn):
    """An owner named by an object: ``{name}``, ``{id}`` or ``{user_id, org_id}``."""

    name: str | None = None
    id: str | None = None
    user_id: str | None = None
    group_id: str | None = None
    org_id: str | None = None


OwnerReference = str | OwnerFields
"""What a body may say in its ``owner`` field."""


class OwnerOut(WireOut):
    """An owner as the contract shows it."""

    id: str
    name: str
    identity_name: str
    org_name: str
    created_at: str
    org_admin: bool
    org_id: str
    user_id: str | None
    group_id: str | None = None
    identity_type: Literal["user", "group"] = "user"
    avatar_url: str

    @classmethod
    def of(cls, owner: Owner) -> Self:
        """Show an owner."""
        return cls(
            id=owner.id,
            name=owner.name,
            identity_name=owner.identity_name,
            org_name=owner.org_name,
            created_at=timestamp(owner.created_at),
            org_admin=owner.org_admin,
            org_id=owner.org_id,
            user_id=owner.user_id,
            avatar_url=avatar(owner.identity_name),
        )


def owner_from_query(
    owner: Annotated[str | None, Query(description="Reference owner by path.")] = None,
    owner_name: Annotated[str | None, Query(description="Reference owner by name.")] = None,
    owner_id: Annotated[str | None, Query(description="Reference owner by ID.")] = None,
    user_id: Annotated[str | None, Query(description="Reference owner by user ID.")] = None,
    group_id: Annotated[str | None, Query(description="Reference owner by group ID.")] = None,
    org_id: Annotated[str | None, Query(description="Reference owner by org ID.")] = None,
) -> OwnerReference | None:
    """Return the owner that a query string names, if it names one."""
    fields = OwnerFields(
        name=owner or owner_name, id=owner_id, user_id=user_id, group_id=group_id, org_id=org_id
    )
    return fields if fields.model_dump(exclude_none=True) else None


OwnerQuery = Annotated[OwnerReference | None, Depends(owner_from_query)]
"""The owner that a list is asked for; None: none was named."""


async def resolve_owner(
    session: AsyncSession, caller: Caller, reference: OwnerReference | None
) -> Owner:
    """Return the owner that the caller names; nothing named means the caller.

    Raises:
        Invalid: the reference has no known form.
        NotFound: no such owner, or not one that the caller may act as.
    """
    found = await _find(session, _conditions(caller, reference))
    if found and (found[0].id in caller.owner_ids or caller.is_admin):
        return found[0]
    raise NotFound(
        "there is no such owner, or you may not act as it; leave it out to mean yourself",
        code="owner_not_found",
    )


async def owners_by_id(session: AsyncSession, ids: Collection[str]) -> dict[str, Owner]:
    """Return the owners of these ids, in one query; ids that nobody has are left out."""
    if not ids:
        return {}
    found = await _find(session, (col(OwnerRow.id).in_(set(ids)),))
    return {owner.id: owner for owner in found}


def _conditions(caller: Caller, reference: OwnerReference | None) -> tuple[Any, ...]:
    if reference is None:
        return (col(OwnerRow.id) == caller.default_owner_id,)
    fields = OwnerFields(name=reference) if isinstance(reference, str) else reference
    if fields.id is not None:
        return (col(OwnerRow.id) == fields.id,)
    if fields.name is not None:
        return _by_path(caller, fields.name)
    if fields.group_id is not None:
        return (false(),)  # there are no groups yet, so none is an owner
    in_org = col(Org.is_primary) if fields.org_id is None else col(Org.id) == fields.org_id
    return in_org, col(OwnerRow.user_id) == (fields.user_id or caller.user_id)


def _by_path(caller: Caller, path: str) -> tuple[Any, ...]:
    org, identity = split_path(path)
    in_org = col(Org.is_primary) if org is None else col(Org.name) == org
    return in_org, col(User.username) == (identity or caller.username)


async def _find(session: AsyncSession, where: tuple[Any, ...]) -> list[Owner]:
    rows = await session.exec(
        select(OwnerRow, Org.name, User.username)
        .join(Org, col(OwnerRow.org_id) == col(Org.id))
        .join(User, col(OwnerRow.user_id) == col(User.id))
        .where(*where)
    )
    return [
        Owner(
            id=row.id,
            org_id=row.org_id,
            org_name=org_name,
            user_id=row.user_id,
            identity_name=username,
            org_admin=row.org_admin,
            created_at=row.created_at,
        )
        for row, org_name, username in rows
    ]
