"""``/api/secrets``: values that people keep here, to be given to their resources."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action, access, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.credentials import secrets
from services.api.credentials.models import Secret
from services.api.credentials.schemas import (
    SecretAccessLevel,
    SecretCreate,
    SecretList,
    SecretOut,
    SecretUpdate,
)
from services.api.paging import PageDep, paginate
from services.api.people.owners import OwnerQuery, owners_by_id, resolve_owner

router = APIRouter(prefix="/api/secrets", tags=["secrets"])


@router.get("", openapi_extra=access(Action.VIEW))
async def list_secrets(
    api: ContextDep,
    caller: CallerDep,
    page: PageDep,
    owner: OwnerQuery,
    name: Annotated[str | None, Query(max_length=128, description="Part of the name.")] = None,
    access: Annotated[SecretAccessLevel | None, Query(description="Only of this access.")] = None,
) -> SecretList:
    """List the secrets that the caller may see, never their values."""
    async with api.database.read() as session:
        query = secrets.visible(caller)
        if owner is not None:
            whose = await resolve_owner(session, caller, owner)
            query = secrets.of_owner(caller, whose.id)
        if name:
            query = query.where(col(Secret.name).contains(name, autoescape=True))
        if access is not None:
            query = query.where(col(Secret.access) == access)
        found = await paginate(session, query, page, Secret)
        owners = await owners_by_id(session, {row.owner_id for row in found.rows})
    shown = [SecretOut.of(row, owners[row.owner_id], caller) for row in found.rows]
    return SecretList(secrets=shown, **found.keys())


@router.post("", status_code=201, openapi_extra=access(Action.CREATE))
async def create_secret(api: ContextDep, caller: CallerDep, body: SecretCreate) -> SecretOut:
    """Keep a secret; its value is never shown."""
    require(caller, Action.CREATE)
    async with api.database.write() as session:
        owner = await resolve_owner(session, caller, body.owner)
        return SecretOut.of(await secrets.create(session, api, caller, owner, body), owner, caller)


@router.get("/{secret_id}", openapi_extra=access(Action.VIEW))
async def get_secret(api: ContextDep, caller: CallerDep, secret_id: str) -> SecretOut:
    """Show a secret, never its value."""
    async with api.database.read() as session:
        row = await secrets.visible_secret(session, caller, Action.VIEW, secret_id)
        return await _show(session, caller, row)


@router.patch("/{secret_id}", openapi_extra=access(Action.EDIT))
async def change_secret(
    api: ContextDep, caller: CallerDep, secret_id: str, body: SecretUpdate
) -> SecretOut:
    """Change a secret; what runs has the value that it was started with."""
    values = body.model_dump(include=body.model_fields_set & set(SecretUpdate.model_fields))
    async with api.database.write() as session:
        row = await secrets.visible_secret(session, caller, Action.EDIT, secret_id, lock=True)
        await secrets.change(session, api, caller, row, values)
        return await _show(session, caller, row)


@router.delete("/{secret_id}", status_code=204, openapi_extra=access(Action.DELETE))
async def delete_secret(api: ContextDep, caller: CallerDep, secret_id: str) -> None:
    """Forget a secret; what it was given to keeps the place, empty."""
    async with api.database.write() as session:
        row = await secrets.visible_secret(session, caller, Action.DELETE, secret_id, lock=True)
        await secrets.remove(session, api, caller, row)


async def _show(session: AsyncSession, caller: Caller, row: Secret) -> SecretOut:
    owners = await owners_by_id(session, {row.owner_id})
    return SecretOut.of(row, owners[row.owner_id], caller)
