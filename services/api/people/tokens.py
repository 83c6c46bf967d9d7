"""A person's API tokens over HTTP. Tokens of resources are not listed here."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Invalid
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import ApiToken, Org, OwnerRow
from services.api.auth.tokens import mint_token
from services.api.context import ContextDep
from services.api.paging import PageDep, paginate
from services.api.people.accounts import audit
from services.api.people.owners import OwnerFields, resolve_owner
from services.api.people.schemas import (
    IdentityFields,
    NewTokenOut,
    TokenCreate,
    TokenList,
    TokenOut,
    TokenUpdate,
)

router = APIRouter(prefix="/api/tokens", tags=["api_tokens"])


@router.get("", openapi_extra=access(Action.ACCOUNT))
async def list_tokens(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    user_id: str | None = None,
    group_id: str | None = None,
    identity: Annotated[str | None, Query(description="Identity reference by name")] = None,
) -> TokenList:
    """List the tokens of a user (the caller by default) that were not revoked."""
    reference = identity or IdentityFields(user_id=user_id, group_id=group_id)
    async with api.database.read() as session:
        whose = await _user_id(session, caller, reference)
        query = select(ApiToken).where(
            col(ApiToken.user_id) == whose,
            col(ApiToken.resource_id).is_(None),
            col(ApiToken.revoked_at).is_(None),
        )
        found = await paginate(session, query, page, ApiToken)
    return TokenList(tokens=[TokenOut.of(row) for row in found.rows], **found.keys())


@router.post("", status_code=201, openapi_extra=access(Action.ACCOUNT))
async def post_token(caller: CallerDep, api: ContextDep, body: TokenCreate) -> NewTokenOut:
    """Make a token; its text is in this answer only."""
    if body.scope is not None or body.refresh_expires_in is not None:
        raise Invalid(
            "scopes and refresh tokens are not offered yet: leave out scope and refresh_expires_in",
            code="not_offered",
        )
    async with api.database.write() as session:
        whose = await _user_id(session, caller, body.identity)
        row, text = await mint_token(
            session,
            api.keys,
            now=api.clock.now(),
            user_id=whose,
            description=body.description,
            expires_in=body.expires_in,
        )
        by, token_id = caller.username, row.id
        after_commit(session, lambda: audit.info("API token made", user=whose, by=by, id=token_id))
    return NewTokenOut(**TokenOut.of(row).model_dump(), access_token=text)


@router.get("/{api_token_id}", openapi_extra=access(Action.VIEW))
async def get_token(caller: CallerDep, api: ContextDep, api_token_id: str) -> TokenOut:
    """Get a token, without its text."""
    async with api.database.read() as session:
        return TokenOut.of(await _token(session, caller, api_token_id, Action.VIEW))


@router.patch("/{api_token_id}", openapi_extra=access(Action.EDIT))
async def patch_token(
    caller: CallerDep, api: ContextDep, api_token_id: str, body: TokenUpdate
) -> TokenOut:
    """Change a token's description."""
    async with api.database.write() as session:
        row = await _token(session, caller, api_token_id, Action.EDIT)
        row.description = body.description
        session.add(row)
    return TokenOut.of(row)


@router.delete("/{api_token_id}", status_code=204, openapi_extra=access(Action.DELETE))
async def delete_token(caller: CallerDep, api: ContextDep, api_token_id: str) -> None:
    """Revoke a token."""
    async with api.database.write() as session:
        row = await _token(session, caller, api_token_id, Action.DELETE)
        row.revoked_at = api.clock.now()
        session.add(row)
        by, token_id = caller.username, row.id
        after_commit(session, lambda: audit.info("API token revoked", by=by, id=token_id))


async def _token(session: AsyncSession, caller: Caller, token_id: str, action: Action) -> ApiToken:
    """Return a token and let the caller do this to it."""
    query = (
        select(ApiToken, col(OwnerRow.id))
        .join(OwnerRow, col(OwnerRow.user_id) == col(ApiToken.user_id))
        .join(Org, col(Org.id) == col(OwnerRow.org_id))
        .where(
            col(ApiToken.id) == token_id,
            col(ApiToken.resource_id).is_(None),
            col(ApiToken.revoked_at).is_(None),
            col(Org.is_primary),
        )
    )
    found = (await session.exec(query)).one_or_none()
    if found is None:
        raise missing("token")
    row, owner_id = found
    require(caller, action, owner_id=owner_id, resource_id=row.id, what="token")
    return row


async def _user_id(
    session: AsyncSession, caller: Caller, identity: str | IdentityFields | None
) -> str:
    """Return the user that an identity names; only an admin may name another one."""
    if isinstance(identity, IdentityFields):
        named = OwnerFields(user_id=identity.user_id, group_id=identity.group_id)
        return (await resolve_owner(session, caller, named)).user_id
    return (await resolve_owner(session, caller, identity)).user_id
