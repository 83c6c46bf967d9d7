"""``…/secrets``: what a resource is given of the secrets that people keep, of any kind with pods.

A new value, or another attachment, reaches what runs at its next start: until then the resource
says that it must be restarted.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Invalid
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ApiContext, ContextDep
from services.api.credentials import secrets
from services.api.credentials.models import Secret, SecretAttachment
from services.api.credentials.schemas import SecretCreate
from services.api.paging import PageDep, paginate
from services.api.people.owners import owners_by_id, resolve_owner
from services.api.resources.attaching import attach, edit, place_of, took
from services.api.resources.models import Workspace
from services.api.resources.parts.mounting import Find, Lock
from services.api.resources.parts.secret_schemas import (
    SecretAttachmentCreate,
    SecretAttachmentList,
    SecretAttachmentOut,
    SecretAttachmentType,
    SecretAttachmentUpdate,
)
from services.api.resources.secrets import Attached, with_secrets

_ONE = "/{secret_attachment_id}"


def secrets_router(kind: str, *, find: Find, lock: Lock) -> APIRouter:
    """Return the routes ``/api/<kind>s/{<kind>_id}/secrets``.

    Args:
        kind: the type of resource.
        find: reads a resource.
        lock: reads it and locks it for a change, after its secrets.
    """
    router = APIRouter(prefix=f"/api/{kind}s/{{{kind}_id}}/secrets", tags=[f"{kind}s"])
    _add_reading(router, kind, find)
    _add_writing(router, kind, lock)
    return router


def _add_reading(router: APIRouter, kind: str, find: Find) -> None:
    own_id = f"{kind}_id"

    @router.get("", name=f"list_{kind}_secret_attachments", openapi_extra=access(Action.VIEW))
    async def list_attachments(
        api: ContextDep,
        caller: CallerDep,
        page: PageDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        location: Annotated[
            str | None, Query(max_length=512, description="Part of the location.")
        ] = None,
        attachment_type: Annotated[
            SecretAttachmentType | None, Query(description="Only of this type.")
        ] = None,
    ) -> SecretAttachmentList:
        """List the secrets that the resource is given, never their values."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            query = select(SecretAttachment).where(col(SecretAttachment.resource_id) == row.id)
            if location:
                part = col(SecretAttachment.location).contains(location, autoescape=True)
                query = query.where(part)
            if attachment_type is not None:
                query = query.where(col(SecretAttachment.attachment_type) == attachment_type)
            found = await paginate(session, query, page, SecretAttachment)
            shown = await _show(session, caller, *found.rows)
        return SecretAttachmentList(secret_attachments=shown, **found.keys())

    @router.get(_ONE, name=f"get_{kind}_secret_attachment", openapi_extra=access(Action.VIEW))
    async def get_attachment(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        secret_attachment_id: str,
    ) -> SecretAttachmentOut:
        """Show one of the secrets that the resource is given."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            found = await _attachment(session, row, secret_attachment_id)
            return (await _show(session, caller, found))[0]


def _add_writing(router: APIRouter, kind: str, lock: Lock) -> None:
    own_id = f"{kind}_id"

    @router.post(
        "",
        status_code=201,
        name=f"create_{kind}_secret_attachment",
        openapi_extra=access(Action.EDIT),
    )
    async def create_attachment(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        body: SecretAttachmentCreate,
    ) -> SecretAttachmentOut:
        """Give a secret to the resource, or make a place for one."""
        place = place_of(body.attachment_type, body.location)
        async with api.database.write() as session:
            ids = [body.secret_id] if body.secret_id else []
            row, _ = await lock(session, api, caller, Action.EDIT, resource_id, secrets=ids)
            secret_id = await _secret(session, api, caller, row, body.secret, body.secret_id)
            made = await attach(
                session, api, row, place, secret_id=secret_id, description=body.description
            )
            await took(session, api, row)
            return (await _show(session, caller, made))[0]

    @router.patch(_ONE, name=f"update_{kind}_secret_attachment", openapi_extra=access(Action.EDIT))
    async def change_attachment(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        secret_attachment_id: str,
        body: SecretAttachmentUpdate,
    ) -> SecretAttachmentOut:
        """Give another secret, or the same in another place."""
        sent = body.model_fields_set
        async with api.database.write() as session:
            ids = [body.secret_id] if body.secret_id else []
            row, _ = await lock(session, api, caller, Action.EDIT, resource_id, secrets=ids)
            found = await _attachment(session, row, secret_attachment_id)
            kind_of = body.attachment_type if "attachment_type" in sent else found.attachment_type
            location = body.location if "location" in sent else found.location
            description = body.description if "description" in sent else found.description
            secret_id = found.secret_id
            is_other = "secret_id" in sent and body.secret_id != found.secret_id
            if body.secret is not None or is_other:
                secret_id = await _secret(session, api, caller, row, body.secret, body.secret_id)
            await edit(
                session,
                found,
                place_of(kind_of, location),
                secret_id=secret_id,
                description=description,
            )
            await took(session, api, row)
            return (await _show(session, caller, found))[0]

    @router.delete(
        _ONE,
        status_code=204,
        name=f"delete_{kind}_secret_attachment",
        openapi_extra=access(Action.EDIT),
    )
    async def delete_attachment(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        secret_attachment_id: str,
    ) -> None:
        """Take a secret from the resource; the secret itself stays."""
        async with api.database.write() as session:
            row, _ = await lock(session, api, caller, Action.EDIT, resource_id)
            await session.delete(await _attachment(session, row, secret_attachment_id))
            await took(session, api, row)


async def _attachment(
    session: AsyncSession, row: Workspace, attachment_id: str
) -> SecretAttachment:
    found = await session.get(SecretAttachment, attachment_id)
    if found is None or found.resource_id != row.id:
        raise missing("secret attachment")
    return found


async def _secret(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    row: Workspace,
    new: SecretCreate | None,
    secret_id: str | None,
) -> str | None:
    """Return the id of the secret that a body names or brings; None where it does neither.

    Raises:
        Invalid: it does both, or a new one is to be somebody else's.
        NotFound: there is none that the caller may use for this resource.
        Forbidden: the caller may not make a new one.
    """
    if new is not None and secret_id is not None:
        raise Invalid("Give secret or secret_id, not both.", code="two_secrets")
    if new is not None:
        require(caller, Action.CREATE, owner_id=row.owner_id, what="secret")
        owner = (
            (await owners_by_id(session, {row.owner_id}))[row.owner_id]
            if new.owner is None
            else await resolve_owner(session, caller, new.owner)
        )
        made = await secrets.create(session, api, caller, owner, new)
        return await _usable(session, made, row)
    if secret_id is None:
        return None
    found = await secrets.visible_secret(session, caller, Action.VIEW, secret_id)
    return await _usable(session, found, row)


async def _usable(session: AsyncSession, secret: Secret, row: Workspace) -> str:
    if not await secrets.is_usable(session, secret, row.owner_id):
        raise missing("secret")
    return secret.id


async def _show(
    session: AsyncSession, caller: Caller, *places: SecretAttachment
) -> list[SecretAttachmentOut]:
    attached: list[Attached] = await with_secrets(session, places)
    ids = {each.secret.owner_id for each in attached if each.secret is not None}
    owners = await owners_by_id(session, ids)
    return [SecretAttachmentOut.of(each, owners, caller) for each in attached]
