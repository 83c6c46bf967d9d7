"""Browser sessions: an opaque random cookie, kept as a hash, that ends by itself.

The cookie cannot be read by scripts (``HttpOnly``), is not sent with other sites' posts
(``SameSite=Lax``) and under https is bound to this very host (``__Host-``, ``Secure``).
"""

import secrets

from fastapi import Request, Response
from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.auth.models import BrowserSession
from services.api.auth.tokens import digest

SESSION_SECONDS = 14 * 24 * 3600
_SECRET_BYTES = 32


def cookie_name(base_url: str) -> str:
    """Return the name of the session's cookie."""
    return "__Host-cassini" if base_url.startswith("https:") else "cassini"


def session_secret(request: Request, base_url: str) -> str | None:
    """Return the secret that the browser sent, if it sent one."""
    return request.cookies.get(cookie_name(base_url))


async def open_session(session: AsyncSession, user_id: str, *, now: float) -> str:
    """Open a session and forget those that are over; returns the secret for the cookie."""
    await session.execute(delete(BrowserSession).where(col(BrowserSession.expires_at) <= now))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    session.add(
        BrowserSession(
            secret_hash=digest(secret),
            user_id=user_id,
            created_at=now,
            expires_at=now + SESSION_SECONDS,
        )
    )
    return secret


async def end_session(session: AsyncSession, secret: str) -> None:
    """End one session."""
    where = col(BrowserSession.secret_hash) == digest(secret)
    await session.execute(delete(BrowserSession).where(where))


async def end_other_sessions(session: AsyncSession, user_id: str, secret: str | None) -> None:
    """End all sessions of a user but the one of this secret."""
    where = [col(BrowserSession.user_id) == user_id]
    if secret is not None:
        where.append(col(BrowserSession.secret_hash) != digest(secret))
    await session.execute(delete(BrowserSession).where(*where))


def set_cookie(response: Response, secret: str, base_url: str) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(base_url),
        secret,
        max_age=SESSION_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=base_url.startswith("https:"),
    )


def clear_cookie(response: Response, base_url: str) -> None:
    """Take the session away from the browser."""
    response.delete_cookie(
        cookie_name(base_url),
        path="/",
        httponly=True,
        samesite="lax",
        secure=base_url.startswith("https:"),
    )
