"""A person's API tokens over HTTP. Tokens of resources are not listed here."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.database import after_commit
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import ApiToken, OwnerRow, RefreshToken
from services.api.auth.refresh_tokens import issue
from services.api.auth.scopes import Scope
from services.api.auth.tokens import mint_token, revoke_token
from services.api.context import ContextDep
from services.api.paging import PageDep, paginate
from services.api.people.accounts import audit
from services.api.people.owners import OwnerFields, resolve_owner
from services.api.people.token_schemas import (
    IdentityFields,
    IdentityPath,
    NewTokenOut,
    TokenCreate,
    TokenList,
    TokenOut,
    TokenUpdate,
)

router = APIRouter(prefix="/api/tokens", tags=["api_tokens"])

_ID = Query(max_length=36)


@router.get("", openapi_extra=access(Action.ACCOUNT))
async def list_tokens(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    user_id: Annotated[str | None, _ID] = None,
    group_id: Annotated[str | None, _ID] = None,
    identity: Annotated[
        IdentityPath | None, Query(description="Identity reference by name")
    ] = None,
) -> TokenList:
    """List the tokens of a user (the caller by default) that were not revoked."""
    named = OwnerFields(name=identity or None, user_id=user_id or None, group_id=group_id or None)
    async with api.database.read() as session:
        whose = (await resolve_owner(session, caller, named)).user_id
        query = select(ApiToken).where(
            col(ApiToken.user_id) == whose,
            col(ApiToken.resource_id).is_(None),
            col(ApiToken.revoked_at).is_(None),
        )
        found = await paginate(session, query, page, ApiToken)
        live = await _live_refresh_tokens(session, [row.id for row in found.rows])
    shown = [TokenOut.of(row, live.get(row.id)) for row in found.rows]
    return TokenList(tokens=shown, **found.keys())


@router.post("", status_code=201, openapi_extra=access(Action.ACCOUNT))
async def post_token(caller: CallerDep, api: ContextDep, body: TokenCreate) -> NewTokenOut:
    """Make a token; its texts are in this answer only."""
    Scope.parse(body.scope)
    async with api.database.write() as session:
        now, whose = api.clock.now(), await _user_id(session, caller, body.identity)
        row, text = await mint_token(
            session,
            api.keys,
            now=now,
            user_id=whose,
            description=body.description,
            expires_in=body.expires_in,
            refresh_expires_in=body.refresh_expires_in,
            scope=body.scope,
        )
        refresh, refresh_text = None, None
        if row.refreshable:
            await session.flush()
            refresh, refresh_text = issue(session, api.keys, row, now=now)
        told = {"user": whose, "by": caller.username, "id": row.id}
        after_commit(session, lambda: audit.info("API token made", **told))
    shown = TokenOut.of(row, refresh).model_dump()
    return NewTokenOut(**shown, access_token=text, refresh_token=refresh_text)


@router.get("/{api_token_id}", openapi_extra=access(Action.ACCOUNT))
async def get_token(caller: CallerDep, api: ContextDep, api_token_id: str) -> TokenOut:
    """Get a token, without its texts."""
    async with api.database.read() as session:
        return await _show(session, await _token(session, caller, api_token_id))


@router.patch("/{api_token_id}", openapi_extra=access(Action.ACCOUNT))
async def patch_token(
    caller: CallerDep, api: ContextDep, api_token_id: str, body: TokenUpdate
) -> TokenOut:
    """Change a token's description."""
    async with api.database.write() as session:
        row = await _token(session, caller, api_token_id)
        row.description = body.description
        session.add(row)
        return await _show(session, row)


@router.delete("/{api_token_id}", status_code=204, openapi_extra=access(Action.ACCOUNT))
async def delete_token(caller: CallerDep, api: ContextDep, api_token_id: str) -> None:
    """Revoke a token, and with it what could refresh it."""
    async with api.database.write() as session:
        row = await _token(session, caller, api_token_id)
        await revoke_token(session, row, now=api.clock.now())
        told = {"by": caller.username, "id": row.id}
        after_commit(session, lambda: audit.info("API token revoked", **told))


async def _token(session: AsyncSession, caller: Caller, token_id: str) -> ApiToken:
    """Return a token that the caller may look after: their own; any, for an admin."""
    query = (
        select(ApiToken, col(OwnerRow.id))
        .join(OwnerRow, col(OwnerRow.user_id) == col(ApiToken.user_id))
        .where(
            col(ApiToken.id) == token_id,
            col(ApiToken.resource_id).is_(None),
            col(ApiToken.revoked_at).is_(None),
        )
    )
    found = (await session.exec(query.limit(1))).one_or_none()
    if found is None:
        raise missing("token")
    row, owner_id = found
    require(caller, Action.ACCOUNT, owner_id=owner_id, resource_id=row.id, what="token")
    return row


async def _show(session: AsyncSession, row: ApiToken) -> TokenOut:
    live = await _live_refresh_tokens(session, [row.id])
    return TokenOut.of(row, live.get(row.id))


async def _live_refresh_tokens(
    session: AsyncSession, token_ids: Collection[str]
) -> dict[str, RefreshToken]:
    """Return the refresh tokens that can still be used, by what they refresh, in one query."""
    query = select(RefreshToken).where(
        col(RefreshToken.token_id).in_(token_ids),
        col(RefreshToken.used_at).is_(None),
        col(RefreshToken.replaced_at).is_(None),
    )
    return {row.token_id: row for row in await session.exec(query)}


async def _user_id(
    session: AsyncSession, caller: Caller, identity: str | IdentityFields | None
) -> str:
    """Return the user that an identity names; only an admin may name another one."""
    if isinstance(identity, IdentityFields):
        named = OwnerFields(user_id=identity.user_id, group_id=identity.group_id)
        return (await resolve_owner(session, caller, named)).user_id
    return (await resolve_owner(session, caller, identity)).user_id
