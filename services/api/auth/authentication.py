"""Who is calling: an ``Authorization`` header, or else the session's cookie.

One query each: the proof's row, its user and the user's owners are joined. The answer is kept on
the request, so that the access rule and the route ask once.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import Request
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Unauthenticated
from services.api.auth.caller import Caller
from services.api.auth.locks import refuse_locked
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
    token_id = token_id_of(text, keys)
    rows = await _with_owners(session, ApiToken, col(ApiToken.id) == token_id)
    token: ApiToken = check_token(rows[0][0] if rows else None, text, now=now)
    scope, is_persons = Scope.parse(token.scope), token.resource_id is None
    return _caller(
        [row for row in rows if token.owner_id in {None, row[2].id}],
        acts_as_admin=is_persons and scope.resources is None,
        token_id=token.id,
        resource_id=token.resource_id,
        scope=scope,
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
    return _caller(
        rows, acts_as_admin=True, token_id=None, resource_id=None, scope=ALL, via="session"
    )


async def _with_owners(
    session: AsyncSession, proof: type[ApiToken] | type[BrowserSession], where: Any
) -> Sequence[Any]:
    query = (
        select(proof, User, OwnerRow, col(Org.is_primary))
        .join(User, col(User.id) == col(proof.user_id))
        .join(OwnerRow, col(OwnerRow.user_id) == col(User.id))
        .join(Org, col(Org.id) == col(OwnerRow.org_id))
        .where(where)
    )
    return (await session.exec(query)).all()


def _caller(rows: Sequence[Any], *, acts_as_admin: bool, **proof: Any) -> Caller:
    """Return the caller whose owners these rows are.

    Raises:
        Forbidden: the account is locked.
    """
    user: User = rows[0][1]
    refuse_locked(user)
    default = max(rows, key=lambda row: (row[2].org_id == user.default_org_id, row[3]))[2]
    admin_of = {row[2].org_id for row in rows if row[2].org_admin and acts_as_admin}
    return Caller(
        user_id=user.id,
        username=user.username,
        is_admin=user.is_admin and acts_as_admin,
        owner_ids=frozenset(row[2].id for row in rows),
        default_owner_id=default.id,
        default_org_id=default.org_id,
        admin_of=frozenset(admin_of),
        **proof,
    )


def _token_text(header: str) -> str:
    scheme, _, text = header.strip().partition(" ")
    if scheme.lower() not in _SCHEMES or not text.strip():
        raise Unauthenticated(
            "the Authorization header is not understood: write 'token <token>' or 'Bearer <token>'",
            code="bad_token",
        )
    return text.strip()
