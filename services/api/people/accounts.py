"""Making users, and what an admin gives them on the command line: sign-in links and tokens.

Each function is one part of a unit of work; it writes a line to the audit log once what it did is
committed.
"""

from dataclasses import dataclass

import structlog
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.database import after_commit
from cassini.runtime.errors import Conflict, Invalid, NotFound
from services.api.auth.links import make_link
from services.api.auth.models import Org, OwnerRow, User
from services.api.auth.names import check_name
from services.api.auth.tokens import mint_token
from services.api.keys import ApiKeys

ORG_NAME = "main"
ADMIN_NAME = "admin"
ONE_TRUST_DOMAIN = (
    "All users of this installation share one trust domain: workspaces run as processes of one "
    "machine, so give accounts only to people who may see each other's work."
)

audit = structlog.get_logger("cassini.audit")


@dataclass(frozen=True)
class NewUser:
    """A user who was made, with what must be said to the one who made them."""

    user: User
    owner_id: str
    notice: str | None


async def ensure_first_admin(session: AsyncSession, *, now: float) -> User | None:
    """Make the primary org and its admin on the first run; returns None on every later one."""
    if (await session.exec(select(col(Org.id)).limit(1))).first() is not None:
        return None
    session.add(Org(id=new_id(), name=ORG_NAME, is_primary=True, created_at=now))
    await session.flush()
    made = await create_user(session, ADMIN_NAME, now=now, is_admin=True)
    return made.user


async def create_user(
    session: AsyncSession,
    name: str,
    *,
    now: float,
    email: str = "",
    full_name: str = "",
    is_admin: bool = False,
    locked: bool = False,
    by: str = "command line",
) -> NewUser:
    """Make a user of the primary org, without a password.

    Raises:
        Invalid: the name does not follow the rules.
        Conflict: there is a user of that name.
    """
    check_name(name)
    await require_free_name(session, name)
    org = (await session.exec(select(Org).where(col(Org.is_primary)))).one()
    user = User(
        id=new_id(),
        username=name,
        email=email,
        full_name=full_name,
        is_admin=is_admin,
        locked=locked,
        created_at=now,
    )
    owner = OwnerRow(
        id=new_id(), org_id=org.id, user_id=user.id, org_admin=is_admin, created_at=now
    )
    session.add(user)
    await session.flush()
    session.add(owner)
    await session.flush()
    count = (await session.exec(select(func.count()).select_from(User))).one()
    notice = ONE_TRUST_DOMAIN if count > 1 else None
    after_commit(session, lambda: audit.info("user created", user=name, by=by))
    return NewUser(user=user, owner_id=owner.id, notice=notice)


def refuse_limits(limits_id: str | None) -> None:
    """Refuse what would be kept and have no effect.

    Raises:
        Invalid: usage limits are asked for.
    """
    if limits_id is not None:
        raise Invalid("usage limits are not offered yet: leave out limits_id", code="not_offered")


async def require_free_name(session: AsyncSession, name: str) -> None:
    """Make sure that a user name is nobody's (an index decides close races).

    Raises:
        Conflict: there is a user of that name.
    """
    names = select(col(User.id)).where(col(User.username) == name)
    if (await session.exec(names)).first() is not None:
        raise Conflict(f"there is already a user {name!r}", code="user_exists")


async def first_admin(session: AsyncSession) -> tuple[User, str]:
    """Return the oldest admin, one who can sign in, and their owner in the primary org."""
    query = (
        select(User, col(OwnerRow.id))
        .join(OwnerRow, col(OwnerRow.user_id) == col(User.id))
        .join(Org, col(OwnerRow.org_id) == col(Org.id))
        .where(col(User.is_admin), col(Org.is_primary))
        .order_by(col(User.locked), col(User.created_at), col(User.id))
    )
    return (await session.exec(query.limit(1))).one()


async def find_user(session: AsyncSession, username: str) -> User:
    """Return the user of a name.

    Raises:
        NotFound: there is none.
    """
    user = (await session.exec(select(User).where(col(User.username) == username))).one_or_none()
    if user is None:
        raise NotFound(f"there is no user {username[:60]!r}", code="user_not_found")
    return user


async def create_sign_in_link(session: AsyncSession, username: str, *, now: float) -> str:
    """Return the code of a new sign-in link (the link is ``<url>/sign-in?code=<code>``).

    Raises:
        NotFound: there is no such user.
    """
    user = await find_user(session, username)
    code = await make_link(session, user.id, now=now)
    after_commit(session, lambda: audit.info("sign-in link made", user=username))
    return code


async def create_token(
    session: AsyncSession,
    keys: ApiKeys,
    username: str,
    *,
    now: float,
    description: str = "made on the command line",
) -> str:
    """Return the text of a new token that may do all that its user may, without an end.

    Raises:
        NotFound: there is no such user.
    """
    user = await find_user(session, username)
    row, text = await mint_token(session, keys, now=now, user_id=user.id, description=description)
    after_commit(session, lambda: audit.info("API token made", user=username, id=row.id))
    return text
