"""Who is calling: an ``Authorization`` header, or else the session's cookie.

One query each: the proof's row, its user and the user's owners are joined. The answer is kept on
the request, so that the access rule and the route ask once.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Forbidden, Unauthenticated
from services.api.auth.caller import Caller
from services.api.auth.models import ApiToken, BrowserSession, Org, OwnerRow, User
from services.api.auth.origin import require_own_origin
from services.api.auth.scopes import ALL, Scope
from services.api.auth.sessions import session_secret
from services.api.auth.tokens import check_token, digest, token_id_of
from services.api.context import ApiContext
from services.api.keys import ApiKeys

_SCHEMES = frozenset({"token", "bearer"})


async def find_caller(request: Request) -> Caller | None:
    """Return who is calling; None when nobody known is.

    Raises:
        Unauthenticated: a token was shown that does not count.
        Forbidden: the account is locked, or another site's page made a signed-in browser ask.
    """
    if not hasattr(request.state, "caller"):
        request.state.caller = await _authenticate(request)
    caller: Caller | None = request.state.caller
    return caller


async def look_again(request: Request) -> Caller:
    """Return who is calling now, for a request that lasts: what it showed may count no more.

    Raises:
        Unauthenticated: the session or the token is over.
        Forbidden: the account is locked.
    """
    del request.state.caller
    return await require_caller(request)


async def require_caller(request: Request) -> Caller:
    """Return who is calling.

    Raises:
        Unauthenticated: nobody known is, or a token was shown that does not count.
        Forbidden: the account is locked, or another site's page made a signed-in browser ask.
    """
    caller = await find_caller(request)
    if caller is None:
        raise Unauthenticated(
            "nobody is signed in: sign in, or send the header 'Authorization: token <token>'"
        )
    return caller


async def _authenticate(request: Request) -> Caller | None:
    api: ApiContext = request.app.state.api
    header = request.headers.get("authorization")
    if header is not None:
        text = _token_text(header)
        async with api.database.read() as session:
            return await caller_of_token(session, api.keys, text, now=api.clock.now())
    secret = session_secret(request, api.settings.url)
    if secret is None:
        return None
    async with api.database.read() as session:
        caller = await caller_of_session(session, secret, now=api.clock.now())
    if caller is not None:
        require_own_origin(request, api.settings.url)
    return caller


async def caller_of_token(session: AsyncSession, keys: ApiKeys, text: str, *, now: float) -> Caller:
    """Return whom a token speaks for.

    Raises:
        Unauthenticated: the token does not count (any more).
        Forbidden: the account is locked.
    """
    token_id = token_id_of(text, keys, now=now)
    rows = await _with_owners(session, ApiToken, col(ApiToken.id) == token_id)
    token: ApiToken = check_token(rows[0][0] if rows else None, text)
    user, owner_ids, default = _user_and_owners(rows)
    if token.owner_id is not None:
        owner_ids, default = frozenset({token.owner_id}), token.owner_id
    return Caller(
        user_id=user.id,
        username=user.username,
        is_admin=user.is_admin and token.resource_id is None,
        owner_ids=owner_ids,
        default_owner_id=default,
        token_id=token.id,
        resource_id=token.resource_id,
        scope=Scope.parse(token.scope),
        via="token",
    )


async def caller_of_session(session: AsyncSession, secret: str, *, now: float) -> Caller | None:
    """Return who is signed in with this secret; None when the session is over.

    Raises:
        Forbidden: the account is locked.
    """
    rows = await _with_owners(
        session, BrowserSession, col(BrowserSession.secret_hash) == digest(secret)
    )
    if not rows or rows[0][0].expires_at <= now:
        return None
    user, owner_ids, default = _user_and_owners(rows)
    return Caller(
        user_id=user.id,
        username=user.username,
        is_admin=user.is_admin,
        owner_ids=owner_ids,
        default_owner_id=default,
        token_id=None,
        resource_id=None,
        scope=ALL,
        via="session",
    )


async def _with_owners(
    session: AsyncSession, proof: type[ApiToken] | type[BrowserSession], where: Any
) -> Sequence[Any]:
    query = (
        select(proof, User, col(OwnerRow.id), col(Org.is_primary))
        .join(User, col(User.id) == col(proof.user_id))
        .join(OwnerRow, col(OwnerRow.user_id) == col(User.id))
        .join(Org, col(Org.id) == col(OwnerRow.org_id))
        .where(where)
    )
    return (await session.exec(query)).all()


def _user_and_owners(rows: Sequence[Any]) -> tuple[User, frozenset[str], str]:
    user: User = rows[0][1]
    if user.locked:
        reason = f": {user.locked_reason}" if user.locked_reason else ""
        raise Forbidden(f"the account {user.username} is locked{reason}", code="locked")
    primary = next((owner for _, _, owner, is_primary in rows if is_primary), rows[0][2])
    return user, frozenset(row[2] for row in rows), primary


def _token_text(header: str) -> str:
    scheme, _, text = header.strip().partition(" ")
    if scheme.lower() not in _SCHEMES or not text.strip():
        raise Unauthenticated(
            "the Authorization header is not understood: write 'token <token>' or 'Bearer <token>'",
            code="bad_token",
        )
    return text.strip()
