"""API tokens: JSON Web Tokens that name a row, which says what they may do.

The signature keeps strangers from asking the database at all; the row's SHA-256 of the text, its
expiry and its revocation decide. Nothing but the row's id and two times stands inside, so a
token tells nothing about its holder. The text is returned once, when it is made.
"""

import hashlib
import hmac
from typing import Any

import jwt
from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Unauthenticated
from services.api.auth.models import ApiToken
from services.api.keys import ApiKeys

_ALGORITHM = "HS256"
_UNKNOWN = "the token is not known or was revoked: make a new one"


def digest(secret: str) -> str:
    """Return what is kept of a random secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def mint_token(
    session: AsyncSession,
    keys: ApiKeys,
    *,
    now: float,
    user_id: str,
    description: str = "",
    expires_in: float | None = None,
    scope: str | None = None,
) -> tuple[ApiToken, str]:
    """Make a token that may do all that its user may; returns its row and its text."""
    row = ApiToken(
        id=new_id(),
        text_hash="",
        user_id=user_id,
        scope=scope,
        description=description,
        created_at=now,
        expires_at=None if expires_in is None else now + expires_in,
    )
    return row, _add(session, keys, row)


async def mint_resource_token(
    session: AsyncSession,
    keys: ApiKeys,
    *,
    now: float,
    user_id: str,
    owner_id: str,
    resource_id: str,
    resource_type: str,
    scope: str | None,
) -> tuple[str, str]:
    """Make the token of a resource; returns its id and its text."""
    row = ApiToken(
        id=new_id(),
        text_hash="",
        user_id=user_id,
        owner_id=owner_id,
        resource_id=resource_id,
        resource_type=resource_type,
        scope=scope,
        description=f"{resource_type} {resource_id}",
        created_at=now,
    )
    return row.id, _add(session, keys, row)


async def revoke_resource_tokens(session: AsyncSession, resource_id: str, *, now: float) -> None:
    """End every token of a resource."""
    await session.execute(
        update(ApiToken)
        .where(col(ApiToken.resource_id) == resource_id, col(ApiToken.revoked_at).is_(None))
        .values(revoked_at=now)
    )


def token_id_of(text: str, keys: ApiKeys, *, now: float) -> str:
    """Return the id of the row that a token names, once its signature and expiry are right.

    Raises:
        Unauthenticated: it is not a token of ours, or it has expired (the message says so, which
            makes the official clients refresh it).
    """
    try:
        # Expiry is compared here with the api's own clock, which tests can set.
        claims: dict[str, Any] = jwt.decode(
            text,
            keys.token,
            algorithms=[_ALGORITHM],
            options={"verify_exp": False, "verify_iat": False, "require": ["sub"]},
        )
    except jwt.InvalidTokenError:
        raise Unauthenticated(_UNKNOWN, code="bad_token") from None
    expires_at = claims.get("exp")
    if expires_at is not None and expires_at <= now:
        raise Unauthenticated("the token has expired: make a new one", code="token_expired")
    return str(claims["sub"])


def check_token(row: ApiToken | None, text: str) -> ApiToken:
    """Return the row of a token that may be used.

    Raises:
        Unauthenticated: there is no such row, it has another text, or it was revoked.
    """
    if row is None or row.revoked_at is not None:
        raise Unauthenticated(_UNKNOWN, code="bad_token")
    if not hmac.compare_digest(row.text_hash, digest(text)):
        raise Unauthenticated(_UNKNOWN, code="bad_token")
    return row


def _add(session: AsyncSession, keys: ApiKeys, row: ApiToken) -> str:
    claims: dict[str, Any] = {"sub": row.id, "iat": int(row.created_at)}
    if row.expires_at is not None:
        claims["exp"] = int(row.expires_at)
    text = jwt.encode(claims, keys.token, algorithm=_ALGORITHM)
    row.text_hash = digest(text)
    session.add(row)
    return text
