"""Changing and removing users, so that there is always an admin who can sign in.

Every function is one part of a unit of work, which locks the rows of all admins first: of two
admins who take each other's rights at the same moment, the second one sees what the first did.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Conflict, Invalid
from services.api.access import Action, missing, require
from services.api.auth.caller import Caller
from services.api.auth.models import (
    ApiToken,
    BrowserSession,
    Org,
    OwnerRow,
    RefreshToken,
    SignInLink,
    User,
)
from services.api.auth.names import check_name
from services.api.context import ApiContext
from services.api.people.accounts import audit, refuse_limits, require_free_name
from services.api.people.schemas import UserUpdate

_FOR_ADMINS = {"is_admin", "locked"}
_SHOWN_BELONGINGS = 5


@dataclass(frozen=True)
class _Locked:
    """A user, and whether somebody else is an admin who can sign in."""

    user: User
    others_can_administer: bool


async def change_user(
    session: AsyncSession, caller: Caller, user_id: str, body: UserUpdate
) -> User:
    """Change what was sent of a user whom the caller may change.

    Raises:
        NotFound: there is no such user, or the caller may not change them.
        Forbidden: only an admin may change that.
        Invalid: the new name follows no rule, or something is asked for that is not offered.
        Conflict: the name is taken, or nobody could administer the platform any more.
    """
    values = _values(body)
    await visible_account(session, caller, user_id)
    found = await _lock(session, user_id)
    user = found.user
    changed = {name: value for name, value in values.items() if getattr(user, name) != value}
    if changed.keys() & _FOR_ADMINS:
        require(caller, Action.ADMIN)
    if "username" in changed:
        await require_free_name(session, changed["username"])
    if changed.get("locked") and user.id == caller.user_id:
        raise Conflict("you cannot lock your own account: ask another admin", code="own_account")
    if changed.get("locked") or changed.get("is_admin") is False:
        _keep_an_admin(found)
    for name, value in changed.items():
        setattr(user, name, value)
    session.add(user)
    if "is_admin" in changed:
        await _administer_primary_org(session, user)
    told = {"user": user.username, "by": caller.username, "fields": sorted(changed)}
    after_commit(session, lambda: audit.info("user changed", **told))
    return user


async def remove_user(session: AsyncSession, api: ApiContext, caller: Caller, user_id: str) -> None:
    """Remove a user, with all that proves who they are.

    Raises:
        NotFound: there is no such user, or the caller may not remove them.
        Conflict: something still belongs to them, or they are the last admin.
    """
    await visible_account(session, caller, user_id)
    # Locked before the users, as whoever makes something for an owner does.
    owners = select(OwnerRow).where(col(OwnerRow.user_id) == user_id).with_for_update()
    owner_ids = {row.id for row in await session.exec(owners)}
    found = await _lock(session, user_id)
    user = found.user
    _keep_an_admin(found)
    belongings = list(await api.belongings_of(session, owner_ids))
    if belongings:
        raise Conflict(_still_owns(user, belongings), code="user_owns_things")
    tokens = select(col(ApiToken.id)).where(col(ApiToken.user_id) == user.id)
    await session.execute(delete(RefreshToken).where(col(RefreshToken.token_id).in_(tokens)))
    for table in (ApiToken, BrowserSession, SignInLink, OwnerRow):
        await session.execute(delete(table).where(col(table.user_id) == user.id))
    await session.execute(delete(User).where(col(User.id) == user.id))
    told = {"user": user.username, "by": caller.username}
    after_commit(session, lambda: audit.info("user deleted", **told))


async def visible_account(session: AsyncSession, caller: Caller, user_id: str) -> User:
    """Return a user whose account the caller may look after: their own; any, for an admin.

    Raises:
        NotFound: there is no such user, or the caller may not look after them.
    """
    query = select(User, col(OwnerRow.id)).join(OwnerRow, col(OwnerRow.user_id) == col(User.id))
    found = (await session.exec(query.where(col(User.id) == user_id).limit(1))).one_or_none()
    if found is None:
        raise missing("user")
    user, owner_id = found
    require(caller, Action.ACCOUNT, owner_id=owner_id, resource_id=user.id, what="user")
    return user


async def _lock(session: AsyncSession, user_id: str) -> _Locked:
    query = select(User).where(or_(col(User.is_admin), col(User.id) == user_id))
    query = query.order_by(col(User.id)).with_for_update()
    rows = (await session.exec(query.execution_options(populate_existing=True))).all()
    user = next((row for row in rows if row.id == user_id), None)
    if user is None:
        raise missing("user")
    others = any(row.is_admin and not row.locked for row in rows if row.id != user_id)
    return _Locked(user, others)


async def _administer_primary_org(session: AsyncSession, user: User) -> None:
    """Let an admin be one of the primary org, too, and nobody who is none any more."""
    primary = select(col(Org.id)).where(col(Org.is_primary))
    await session.execute(
        update(OwnerRow)
        .where(col(OwnerRow.user_id) == user.id, col(OwnerRow.org_id).in_(primary))
        .values(org_admin=user.is_admin)
    )


def _keep_an_admin(found: _Locked) -> None:
    if found.user.is_admin and not found.others_can_administer:
        raise Conflict(
            f"{found.user.username} is the last admin: make somebody else an admin first",
            code="last_admin",
        )


def _values(body: UserUpdate) -> dict[str, Any]:
    """Return the columns that were sent.

    Raises:
        Invalid: the name follows no rule, the fields contradict each other, or something is asked
            for that is not offered.
    """
    sent = body.model_dump(exclude_unset=True)
    refuse_limits(sent.pop("limits_id", None))
    if sent.pop("is_multiple_ssh_keys", False):
        raise Invalid(
            "SSH keys are not offered yet: leave out is_multiple_ssh_keys", code="not_offered"
        )
    if "username" in sent:
        check_name(sent["username"])
    if "active" in sent:
        locked = not sent.pop("active")
        if sent.setdefault("locked", locked) != locked:
            raise Invalid(
                "active is the contrary of locked: send one of them", code="contradiction"
            )
    if "admin" in sent:
        sent["is_admin"] = sent.pop("admin")
    if sent.get("locked") is False:
        sent["locked_reason"] = ""
    return sent


def _still_owns(user: User, belongings: list[str]) -> str:
    shown = ", ".join(belongings[:_SHOWN_BELONGINGS])
    more = len(belongings) - _SHOWN_BELONGINGS
    rest = f" and {more} more" if more > 0 else ""
    return f"{user.username} still owns {shown}{rest}: delete these first"
