"""API tokens: JSON Web Tokens that name a row, which says what they may do.

The signature keeps strangers from asking the database at all; the row's SHA-256 of the text, its
expiry and its revocation decide. Nothing stands inside but the row's id, two times and a random
word that makes every text another one, so a token tells nothing about its holder. The text is
returned once, when it is made.
"""

import hashlib
import hmac
from collections.abc import Collection
from typing import Any

import jwt
from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Unauthenticated
from services.api.auth.models import ApiToken, RefreshToken
from services.api.keys import ApiKeys

_ALGORITHM = "HS256"
_UNKNOWN = "the token is not known or was revoked: make a new one"
_EXPIRED = "the token has expired: refresh it, or make a new one"
# The official clients refresh a token when they read "expired".
_REPLACED = "the token has expired: it was refreshed since, so use the text that came of that"


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
    expires_in: int | None = None,
    refresh_expires_in: int | None = None,
    scope: str | None = None,
) -> tuple[ApiToken, str]:
    """Make a token of a user; returns its row and its text.

    It can be refreshed where either time is given: a text that ends, or a refresh token that does,
    is of use only to a client that refreshes.
    """
    row = ApiToken(
        id=new_id(),
        text_hash="",
        user_id=user_id,
        scope=scope,
        description=description,
        created_at=now,
        expires_in=expires_in,
        refresh_expires_in=refresh_expires_in,
        refreshable=expires_in is not None or refresh_expires_in is not None,
    )
    text = give_text(keys, row, now=now)
    session.add(row)
    return row, text


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
) -> tuple[ApiToken, str]:
    """Make the token of a resource; returns its row and its text."""
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
    text = give_text(keys, row, now=now)
    session.add(row)
    return row, text


def give_text(keys: ApiKeys, row: ApiToken, *, now: float) -> str:
    """Give a token a new text, which takes the place of the one before; returns it."""
    row.expires_at = None if row.expires_in is None else now + row.expires_in
    claims: dict[str, Any] = {"sub": row.id, "iat": int(now), "jti": new_id()}
    if row.expires_at is not None:
        claims["exp"] = int(row.expires_at)
    text = sign(keys, claims)
    row.text_hash = digest(text)
    return text


async def current_resource_token(session: AsyncSession, resource_id: str) -> ApiToken | None:
    """Return the token that a resource was given last, unless it was revoked."""
    query = select(ApiToken).where(
        col(ApiToken.resource_id) == resource_id, col(ApiToken.revoked_at).is_(None)
    )
    newest = query.order_by(col(ApiToken.created_at).desc(), col(ApiToken.id).desc()).limit(1)
    return (await session.exec(newest)).one_or_none()


async def resource_scopes(
    session: AsyncSession, resource_ids: Collection[str]
) -> dict[str, str | None]:
    """Return what the newest token of each resource may do; a resource without one is left out."""
    query = select(ApiToken.resource_id, ApiToken.scope).where(
        col(ApiToken.resource_id).in_(resource_ids), col(ApiToken.revoked_at).is_(None)
    )
    found = await session.exec(query.order_by(col(ApiToken.created_at), col(ApiToken.id)))
    return {resource_id: scope for resource_id, scope in found if resource_id is not None}


async def revoke_resource_tokens(session: AsyncSession, resource_id: str, *, now: float) -> None:
    """End every token of a resource."""
    await session.execute(
        update(ApiToken)
        .where(col(ApiToken.resource_id) == resource_id, col(ApiToken.revoked_at).is_(None))
        .values(revoked_at=now)
    )


async def revoke_token(session: AsyncSession, row: ApiToken, *, now: float) -> None:
    """End a token, with every text and refresh token of it."""
    row.revoked_at = now
    session.add(row)
    await session.execute(delete(RefreshToken).where(col(RefreshToken.token_id) == row.id))


def sign(keys: ApiKeys, claims: dict[str, Any]) -> str:
    """Return claims as a signed text."""
    return jwt.encode(claims, keys.token, algorithm=_ALGORITHM)


def read_signed(text: str, keys: ApiKeys, *, audience: str | None = None) -> dict[str, Any] | None:
    """Return the claims of a text that we signed, for this audience; None where we did not."""
    try:
        # Expiry is compared by the caller with the api's own clock, which tests can set.
        claims: dict[str, Any] = jwt.decode(
            text,
            keys.token,
            algorithms=[_ALGORITHM],
            audience=audience,
            options={"verify_exp": False, "verify_iat": False, "require": ["sub"]},
        )
    except jwt.InvalidTokenError:
        return None
    return claims


def token_id_of(text: str, keys: ApiKeys) -> str:
    """Return the id of the row that a token names, once its signature is right.

    Raises:
        Unauthenticated: it is not a token of ours.
    """
    claims = read_signed(text, keys)
    if claims is None:
        raise Unauthenticated(_UNKNOWN, code="bad_token")
    return str(claims["sub"])


def check_token(row: ApiToken | None, text: str, *, now: float) -> ApiToken:
    """Return the row of a token that may be used.

    A revoked token is told as one, expired or not: nobody should try to refresh it.

    Raises:
        Unauthenticated: there is no such row, it was revoked, it has another text (by now), or it
            has expired (the message says so, which makes the official clients refresh it).
    """
    if row is None or row.revoked_at is not None:
        raise Unauthenticated(_UNKNOWN, code="bad_token")
    if not hmac.compare_digest(row.text_hash, digest(text)):
        if row.refreshable:
            raise Unauthenticated(_REPLACED, code="token_expired")
        raise Unauthenticated(_UNKNOWN, code="bad_token")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated(_EXPIRED, code="token_expired")
    return row
