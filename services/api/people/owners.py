"""Owners: who things belong to, and the ways clients name them.

An owner is a user in an org. Its name is ``<org>/<user>``; ``<org>/`` and a bare ``<user>`` are
read too (the caller, and the caller's default org, stand for what is left out). An owner that the
caller may not act as does not exist for the caller.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from fastapi import Depends, Query
from pydantic import Field, StringConstraints
from sqlalchemy import ColumnElement, false
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.runtime.errors import Invalid, NotFound
from services.api.auth.caller import Caller
from services.api.auth.models import Org, OwnerRow, User
from services.api.auth.names import LONGEST_PATH, PATH_PATTERN, split_path
from services.api.wire import DateTime, Url, WireIn, WireOut, avatar, timestamp


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

    @classmethod
    def of(cls, row: OwnerRow, *, org_name: str, username: str) -> Self:
        """Put an owner together."""
        return cls(
            id=row.id,
            org_id=row.org_id,
            org_name=org_name,
            user_id=row.user_id,
            identity_name=username,
            org_admin=row.org_admin,
            created_at=row.created_at,
        )


OwnerId = Annotated[str, StringConstraints(max_length=36)]
_Path = Annotated[
    str,
    StringConstraints(max_length=LONGEST_PATH),
    Field(json_schema_extra={"pattern": PATH_PATTERN}),
]


class OwnerFields(WireIn):
    """An owner named by an object: ``{name}``, ``{id}`` or ``{user_id, org_id}``."""

    name: _Path | None = None
    id: OwnerId | None = None
    user_id: OwnerId | None = None
    group_id: OwnerId | None = None
    org_id: OwnerId | None = None


OwnerReference = _Path | OwnerFields
"""What a body may say in its ``owner`` field."""


class OwnerOut(WireOut):
    """An owner as the contract shows it."""

    id: str
    name: str
    identity_name: str
    org_name: str
    created_at: DateTime
    org_admin: bool
    org_id: str
    user_id: str | None
    group_id: str | None = None
    identity_type: Literal["user", "group"] = "user"
    avatar_url: Url

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
    owner: Annotated[_Path | None, Query(description="Reference owner by path.")] = None,
    owner_name: Annotated[_Path | None, Query(description="Reference owner by name.")] = None,
    owner_id: Annotated[OwnerId | None, Query(description="Reference owner by ID.")] = None,
    user_id: Annotated[OwnerId | None, Query(description="Reference owner by user ID.")] = None,
    group_id: Annotated[OwnerId | None, Query(description="Reference owner by group ID.")] = None,
    org_id: Annotated[OwnerId | None, Query(description="Reference owner by org ID.")] = None,
) -> OwnerReference | None:
    """Return the owner that a query string names, if it names one.

    Raises:
        Invalid: ``owner`` and ``owner_name`` are not the same.
    """
    if owner and owner_name and owner != owner_name:
        raise Invalid("owner and owner_name differ: give one of them", code="contradiction")
    fields = OwnerFields(
        name=owner or owner_name or None,
        id=owner_id or None,
        user_id=user_id or None,
        group_id=group_id or None,
        org_id=org_id or None,
    )
    return fields if fields.model_dump(exclude_none=True) else None


OwnerQuery = Annotated[OwnerReference | None, Depends(owner_from_query)]
"""The owner that a list is asked for; None: none was named."""


async def resolve_owner(
    session: AsyncSession, caller: Caller, reference: OwnerReference | None
) -> Owner:
    """Return the owner that the caller names; nothing named means the caller.

    Raises:
        Invalid: the reference has no known form, or its parts name different owners.
        NotFound: no such owner, or not one that the caller may act as.
    """
    found = await named_owner(session, caller, reference)
    if found is not None and (found.id in caller.owner_ids or caller.is_admin):
        return found
    raise NotFound(
        "there is no such owner, or you may not act as it; leave it out to mean yourself",
        code="owner_not_found",
    )


async def named_owner(
    session: AsyncSession, caller: Caller, reference: OwnerReference | None
) -> Owner | None:
    """Return the owner of that name, whoever may act as it; None where there is none.

    Raises:
        Invalid: the reference has no known form, or its parts name different owners.
    """
    if reference is None:
        reference = OwnerFields(id=caller.default_owner_id)
    fields = OwnerFields(name=reference) if isinstance(reference, str) else reference
    found = await _find(session, _conditions(caller, fields))
    if not found and _is_named_twice(fields):
        raise Invalid(
            "the parts of the owner do not name the same one: give its path, its name, its id, or "
            "user_id with org_id",
            code="contradiction",
        )
    return found[0] if found else None


def orgs_of(caller: Caller) -> SelectOfScalar[str]:
    """Select the ids of the orgs that the caller is in."""
    return select(col(OwnerRow.org_id)).where(col(OwnerRow.id).in_(caller.owner_ids))


async def owners_by_id(session: AsyncSession, ids: Collection[str]) -> dict[str, Owner]:
    """Return the owners of these ids, in one query; ids that nobody has are left out."""
    if not ids:
        return {}
    found = await _find(session, [col(OwnerRow.id).in_(set(ids))])
    return {owner.id: owner for owner in found}


def _conditions(caller: Caller, fields: OwnerFields) -> list[ColumnElement[bool]]:
    """Return what an owner must be; what nothing names is the caller's own."""
    org_id = fields.org_id or caller.default_org_id
    where = []
    if fields.id is not None:
        where.append(col(OwnerRow.id) == fields.id)
    if fields.name is not None:
        org, identity = split_path(fields.name)
        where.append(col(Org.id) == org_id if org is None else col(Org.name) == org)
        where.append(col(User.username) == (identity or caller.username))
    if fields.group_id is not None:
        where.append(false())  # there are no groups yet, so none is an owner
    if fields.user_id is not None:
        where.append(col(User.id) == fields.user_id)
    if fields.org_id is not None:
        where.append(col(Org.id) == fields.org_id)
    if fields.id is None and fields.name is None:
        where.append(col(Org.id) == org_id)
        if fields.user_id is None:
            where.append(col(User.id) == caller.user_id)
    return where


def _is_named_twice(fields: OwnerFields) -> bool:
    """Whether an owner is named in two ways, which then can contradict each other."""
    identity = (fields.user_id, fields.group_id, fields.org_id)
    is_by_identity = any(part is not None for part in identity)
    forms = [fields.id is not None, fields.name is not None, is_by_identity]
    return sum(forms) > 1 or (fields.user_id is not None and fields.group_id is not None)


async def _find(session: AsyncSession, where: Sequence[ColumnElement[bool]]) -> list[Owner]:
    rows = await session.exec(
        select(OwnerRow, Org.name, User.username)
        .join(Org, col(OwnerRow.org_id) == col(Org.id))
        .join(User, col(OwnerRow.user_id) == col(User.id))
        .where(*where)
    )
    return [Owner.of(row, org_name=org_name, username=username) for row, org_name, username in rows]
