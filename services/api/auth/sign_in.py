"""Opening a session: with a password, or with a sign-in link.

The password is looked at between two units of work, never inside one.
"""

import structlog
from sqlmodel import col, select

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Unauthenticated
from services.api.auth.links import use_link
from services.api.auth.locks import refuse_locked
from services.api.auth.models import User
from services.api.auth.passwords import is_password
from services.api.auth.sessions import open_session
from services.api.auth.throttle import count_try, take_back
from services.api.context import ApiContext

_audit = structlog.get_logger("cassini.audit")


async def sign_in_by_password(
    api: ApiContext, username: str, password: str, *, address: str
) -> str:
    """Open a session and return the secret of its cookie.

    Raises:
        Unauthenticated: user name or password are wrong.
        Forbidden: the account is locked.
        Retry: there were too many failures of late.
    """
    async with api.database.write() as session:
        await count_try(session, username, address, now=api.clock.now())
        query = select(User).where(col(User.username) == username)
        user = (await session.exec(query)).one_or_none()
    right = await is_password(user.password_hash if user else None, password)
    if user is None or not right:
        _audit.warning("sign-in failed", user=username if user else "(unknown)", address=address)
        raise Unauthenticated("the user name or the password is wrong", code="wrong_password")
    refuse_locked(user)
    async with api.database.write() as session:
        await take_back(session, username, address)
        secret = await open_session(session, user.id, now=api.clock.now())
        after_commit(session, lambda: _audit.info("signed in", user=username, by="password"))
    return secret


async def sign_in_by_link(api: ApiContext, code: str) -> str:
    """Use a link up and return the secret of the new session's cookie.

    Raises:
        Unauthenticated: the link is unknown, used or expired.
        Forbidden: the account is locked.
    """
    async with api.database.write() as session:
        now = api.clock.now()
        user = await use_link(session, code, now=now)
        secret = await open_session(session, user.id, now=now)
        after_commit(session, lambda: _audit.info("signed in", user=user.username, by="link"))
    return secret
