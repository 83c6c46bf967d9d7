"""Sign-in links: a random code that opens one session, once, within a quarter of an hour."""

import secrets

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Unauthenticated
from services.api.auth.locks import refuse_locked
from services.api.auth.models import SignInLink, User
from services.api.auth.tokens import digest

LINK_SECONDS = 15 * 60
_CODE_BYTES = 32
_KEEP_SECONDS = 24 * 3600


async def make_link(session: AsyncSession, user_id: str, *, now: float) -> str:
    """Make a link for a user and return its code; codes long over are forgotten."""
    old = col(SignInLink.expires_at) <= now - _KEEP_SECONDS
    await session.execute(delete(SignInLink).where(old))
    code = secrets.token_urlsafe(_CODE_BYTES)
    expires_at = now + LINK_SECONDS
    session.add(
        SignInLink(id=new_id(), code_hash=digest(code), user_id=user_id, expires_at=expires_at)
    )
    return code


async def use_link(session: AsyncSession, code: str, *, now: float) -> User:
    """Use a link up and return whom it signs in.

    Raises:
        Unauthenticated: it is unknown, used or expired; the message says which and what to do.
        Forbidden: the account is locked.
    """
    used = await session.execute(
        update(SignInLink)
        .where(
            col(SignInLink.code_hash) == digest(code),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > now,
        )
        .values(used_at=now)
        .returning(col(SignInLink.user_id))
    )
    user_id = used.scalar_one_or_none()
    if user_id is None:
        raise await _why_not(session, code)
    user = (await session.exec(select(User).where(col(User.id) == user_id))).one()
    refuse_locked(user)
    return user


async def _why_not(session: AsyncSession, code: str) -> Unauthenticated:
    query = select(SignInLink).where(col(SignInLink.code_hash) == digest(code))
    link = (await session.exec(query)).one_or_none()
    if link is None:
        return Unauthenticated("this sign-in link is not known", code="link_unknown")
    if link.used_at is not None:
        return Unauthenticated("this sign-in link was used already", code="link_used")
    return Unauthenticated("this sign-in link has expired", code="link_expired")
