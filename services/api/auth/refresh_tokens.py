"""Refresh tokens: each is used once, for a new text of its API token and a successor of itself.

An answer can be lost, so a token that is shown again within a minute of its first use, while its
successor is unused, gets another successor, and the one before is void. Any other second use
means that two people hold one token: the API token and all that comes from it end at once.

A refresh token is a signed text that names its API token, and a row. A row is forgotten once it is
beyond that minute: a text that we signed and that has no row was used, so that old ones are
noticed for as long as their API token lives, and no table grows with every refresh. The row of the
API token is locked first, so that two refreshes at the same moment follow one after the other.
"""

import secrets
from dataclasses import dataclass
from enum import Enum, auto

import structlog
from sqlalchemy import delete, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.database import after_commit
from cassini.runtime.errors import Unauthenticated
from services.api.auth.locks import refuse_locked
from services.api.auth.models import ApiToken, RefreshToken, User
from services.api.auth.tokens import digest, give_text, read_signed, revoke_token, sign
from services.api.context import ApiContext
from services.api.keys import ApiKeys

AGAIN_SECONDS = 60
_AUDIENCE = "refresh"
_SECRET_BYTES = 32

audit = structlog.get_logger("cassini.audit")


class Use(Enum):
    """What showing a refresh token comes to."""

    FIRST = auto()
    AGAIN = auto()
    """The answer to the first use was lost: another successor, and the one before is void."""
    EXPIRED = auto()
    REUSED = auto()
    """Somebody else has it too: everything that comes from it ends."""


@dataclass(frozen=True)
class TokenPair:
    """An API token with its new texts, which stand nowhere else."""

    token: ApiToken
    access_text: str
    refresh: RefreshToken
    refresh_text: str


def judge(shown: RefreshToken | None, successor: RefreshToken | None, *, now: float) -> Use:
    """Say what it means that a refresh token is shown.

    Args:
        shown: its row; None where it was forgotten, as it is some time after its use.
        successor: the one that its use gave, unless that is void.
        now: Unix seconds.
    """
    if shown is None or shown.replaced_at is not None:
        return Use.REUSED
    if shown.used_at is None:
        expired = shown.expires_at is not None and shown.expires_at <= now
        return Use.EXPIRED if expired else Use.FIRST
    soon = now - shown.used_at <= AGAIN_SECONDS
    untouched = successor is not None and successor.used_at is None
    return Use.AGAIN if soon and untouched else Use.REUSED


def issue(
    session: AsyncSession,
    keys: ApiKeys,
    token: ApiToken,
    *,
    now: float,
    predecessor: RefreshToken | None = None,
) -> tuple[RefreshToken, str]:
    """Make a refresh token of an API token that is in the database; returns its row and text."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    text = sign(keys, {"sub": token.id, "aud": _AUDIENCE, "jti": secret})
    lives = token.refresh_expires_in
    row = RefreshToken(
        id=new_id(),
        text_hash=digest(text),
        token_id=token.id,
        predecessor_id=predecessor.id if predecessor else None,
        created_at=now,
        expires_at=None if lives is None else now + lives,
    )
    session.add(row)
    return row, text


async def refresh(api: ApiContext, text: str) -> TokenPair:
    """Use a refresh token.

    Raises:
        Unauthenticated: it is not known, has expired or was used before, or its API token was
            revoked; the message says which.
        Forbidden: the account is locked.
    """
    claims = read_signed(text, api.keys, audience=_AUDIENCE)
    if claims is None:
        raise _unknown()
    async with api.database.write() as session:
        # A refusal is returned and raised afterwards: the revocation that comes with it stays.
        outcome = await _use(session, api.keys, claims["sub"], text, now=api.clock.now())
    if isinstance(outcome, Unauthenticated):
        raise outcome
    return outcome


async def _use(
    session: AsyncSession, keys: ApiKeys, token_id: str, text: str, *, now: float
) -> TokenPair | Unauthenticated:
    query = select(ApiToken, User).join(User, col(User.id) == col(ApiToken.user_id))
    query = query.where(col(ApiToken.id) == token_id).with_for_update(of=ApiToken)
    found = (await session.exec(query)).one_or_none()
    if found is None or found[0].revoked_at is not None:
        return _unknown()
    token, user = found
    refuse_locked(user)
    shown, successor = await _shown(session, token_id, text)
    use = judge(shown, successor, now=now)
    if shown is None or use is Use.REUSED:
        await revoke_token(session, token, now=now)
        told = {"user": user.username, "id": token_id}
        after_commit(session, lambda: audit.warning("refresh token used twice: revoked", **told))
        return Unauthenticated(
            "the refresh token was used before, so somebody else may have it: its API token is "
            "revoked; make a new one",
            code="refresh_token_reused",
        )
    if use is Use.EXPIRED:
        return Unauthenticated(
            "the refresh token has expired: make a new API token", code="refresh_token_expired"
        )
    if successor is not None:
        successor.replaced_at = now
    elif shown.used_at is None:
        shown.used_at = now
    await _forget_old(session, token_id, now=now)
    access_text = give_text(keys, token, now=now)
    row, refresh_text = issue(session, keys, token, now=now, predecessor=shown)
    return TokenPair(token, access_text, row, refresh_text)


async def _shown(
    session: AsyncSession, token_id: str, text: str
) -> tuple[RefreshToken | None, RefreshToken | None]:
    """Return the row of a text, and its successor that is not void."""
    of_token = select(RefreshToken).where(col(RefreshToken.token_id) == token_id)
    by_text = of_token.where(col(RefreshToken.text_hash) == digest(text))
    shown = (await session.exec(by_text)).one_or_none()
    if shown is None or shown.used_at is None:
        return shown, None
    after = of_token.where(
        col(RefreshToken.predecessor_id) == shown.id, col(RefreshToken.replaced_at).is_(None)
    )
    return shown, (await session.exec(after)).one_or_none()


async def _forget_old(session: AsyncSession, token_id: str, *, now: float) -> None:
    """Forget the rows that say no more than their absence does."""
    old = now - AGAIN_SECONDS
    await session.execute(
        delete(RefreshToken).where(
            col(RefreshToken.token_id) == token_id,
            or_(col(RefreshToken.used_at) < old, col(RefreshToken.replaced_at) < old),
        )
    )


def _unknown() -> Unauthenticated:
    return Unauthenticated(
        "the refresh token is not known, or its API token was revoked: make a new API token",
        code="bad_refresh_token",
    )
