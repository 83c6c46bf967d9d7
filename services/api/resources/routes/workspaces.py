"""``/api/workspaces``: create, look, change, start, stop, restart, delete, open."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action, access, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ApiContext, ContextDep
from services.api.images.models import ImageTag
from services.api.images.references import Attachment, find_tag
from services.api.images.wishes import default_tag
from services.api.paging import PageDep, paginate
from services.api.people.owners import OwnerQuery, resolve_owner
from services.api.resources.access import list_query, locked_workspace, visible_workspace
from services.api.resources.columns import image_of, values_of
from services.api.resources.editing import change, create, default_subdomain
from services.api.resources.lifecycle import Lifecycle
from services.api.resources.models import Workspace
from services.api.resources.opening import open_url
from services.api.resources.schemas import (
    OpenLink,
    WorkspaceCreate,
    WorkspaceList,
    WorkspaceOut,
    WorkspaceStart,
    WorkspaceUpdate,
)
from services.api.resources.status import ResourceStatus
from services.api.resources.surroundings import look_around

router = APIRouter(tags=["workspaces"])

_PATH = "/api/workspaces"
_ONE = "/api/workspaces/{workspace_id}"
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@router.get(_PATH, openapi_extra=access(Action.VIEW))
async def list_workspaces(
    api: ContextDep,
    caller: CallerDep,
    page: PageDep,
    owner: OwnerQuery,
    name: Annotated[str | None, Query(max_length=64, description="Part of the name.")] = None,
    status: Annotated[ResourceStatus | None, Query(description="Only in this state.")] = None,
) -> WorkspaceList:
    """List the workspaces of an owner; the caller's own where none is named."""
    async with api.database.read() as session:
        query = await list_query(session, caller, owner)
        if name:
            query = query.where(col(Workspace.name).contains(name, autoescape=True))
        if status is not None:
            query = query.where(col(Workspace.status) == status.value)
        found = await paginate(session, query, page, Workspace)
        shown = await show_workspaces(session, api, found.rows)
    return WorkspaceList(workspaces=shown, **found.keys())


@router.post(_PATH, status_code=201, openapi_extra=access(Action.CREATE))
async def create_workspace(
    api: ContextDep, caller: CallerDep, body: WorkspaceCreate
) -> WorkspaceOut:
    """Create a workspace; it is stopped until it is started."""
    require(caller, Action.CREATE)
    values = values_of(body)
    async with api.database.write() as session:
        owner = await resolve_owner(session, caller, body.owner)
        tag = await _image(session, caller, body, owner_id=owner.id) or await default_tag(session)
        row = await create(session, api, owner=owner, tag=tag, values=values)
        return await _show(session, api, row)


@router.get(_ONE, openapi_extra=access(Action.VIEW))
async def get_workspace(api: ContextDep, caller: CallerDep, workspace_id: str) -> WorkspaceOut:
    """Show a workspace."""
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.VIEW, workspace_id)
        return await _show(session, api, row)


@router.patch(_ONE, openapi_extra=access(Action.EDIT))
async def change_workspace(
    api: ContextDep, caller: CallerDep, workspace_id: str, body: WorkspaceUpdate
) -> WorkspaceOut:
    """Change a workspace; what runs stays as it is until it is started again."""
    values = values_of(body)
    async with api.database.write() as session:
        row, around = await locked_workspace(session, api, caller, Action.EDIT, workspace_id)
        tag = await _image(session, caller, body, owner_id=row.owner_id, current=row.image_tag_id)
        if tag is not None:
            values["image_tag_id"] = tag.id
        if "subdomain" in body.model_fields_set and body.subdomain is None:
            owner, name = around.owners[row.owner_id], values.get("name", row.name)
            values["subdomain"] = default_subdomain(owner, name, row.id)
        _, around = await change(session, api, row, around, values)
        return WorkspaceOut.of(row, around, base_url=api.settings.url)


@router.delete(_ONE, status_code=204, openapi_extra=access(Action.DELETE))
async def delete_workspace(
    api: ContextDep,
    caller: CallerDep,
    workspace_id: str,
    allow_active: Annotated[bool, Query(description="Delete it even if it is active.")] = False,
) -> None:
    """Delete a workspace; its home is kept for seven days."""
    async with api.database.write() as session:
        row, _ = await locked_workspace(session, api, caller, Action.DELETE, workspace_id)
        await Lifecycle(api).delete(session, row, allow_active=allow_active)


@router.post(f"{_ONE}/start", openapi_extra=access(Action.START))
async def start_workspace(
    api: ContextDep, caller: CallerDep, workspace_id: str, body: WorkspaceStart | None = None
) -> WorkspaceOut:
    """Start a workspace; nothing changes if it is started already."""
    async with api.database.write() as session:
        row, around = await locked_workspace(session, api, caller, Action.START, workspace_id)
        debug_mode = body is not None and body.debug_mode
        await Lifecycle(api).start(session, row, around, debug_mode=debug_mode)
        return WorkspaceOut.of(row, around, base_url=api.settings.url)


@router.post(f"{_ONE}/restart", openapi_extra=access(Action.START))
async def restart_workspace(
    api: ContextDep, caller: CallerDep, workspace_id: str, body: WorkspaceStart | None = None
) -> WorkspaceOut:
    """Start a workspace anew, whatever its state is."""
    async with api.database.write() as session:
        row, around = await locked_workspace(session, api, caller, Action.START, workspace_id)
        debug_mode = body is not None and body.debug_mode
        await Lifecycle(api).restart(session, row, around, debug_mode=debug_mode)
        return WorkspaceOut.of(row, around, base_url=api.settings.url)


@router.post(f"{_ONE}/stop", openapi_extra=access(Action.START))
async def stop_workspace(api: ContextDep, caller: CallerDep, workspace_id: str) -> WorkspaceOut:
    """Stop a workspace; its home stays."""
    async with api.database.write() as session:
        row, around = await locked_workspace(session, api, caller, Action.START, workspace_id)
        await Lifecycle(api).stop(session, row)
        return WorkspaceOut.of(row, around, base_url=api.settings.url)


@router.get(f"{_ONE}/open", openapi_extra=access(Action.REVEAL))
async def open_link(
    api: ContextDep, caller: CallerDep, workspace_id: str, response: Response
) -> OpenLink:
    """Return the address with JupyterLab's token, for the owner only."""
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.REVEAL, workspace_id)
        url = await open_url(session, api, row)
    response.headers.update(_PRIVATE)
    return OpenLink(url=url)


@router.get(
    "/workspaces/{workspace_id}/open",
    include_in_schema=False,
    openapi_extra=access(Action.REVEAL),
    response_class=RedirectResponse,
    status_code=303,
)
async def open_page(api: ContextDep, caller: CallerDep, workspace_id: str) -> RedirectResponse:
    """Send the owner's browser to JupyterLab, signed in."""
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.REVEAL, workspace_id)
        url = await open_url(session, api, row)
    return RedirectResponse(url, status_code=303, headers=_PRIVATE)


async def show_workspaces(
    session: AsyncSession, api: ApiContext, rows: Sequence[Workspace]
) -> list[WorkspaceOut]:
    """Show rows; what they refer to is read in one query a kind."""
    around = await look_around(session, api, rows)
    return [WorkspaceOut.of(row, around, base_url=api.settings.url) for row in rows]


async def _show(session: AsyncSession, api: ApiContext, row: Workspace) -> WorkspaceOut:
    return (await show_workspaces(session, api, [row]))[0]


async def _image(
    session: AsyncSession,
    caller: Caller,
    body: WorkspaceCreate | WorkspaceUpdate,
    *,
    owner_id: str,
    current: str | None = None,
) -> ImageTag | None:
    """Return the image version that a body asks for; None where it asks for none."""
    asked = image_of(body)
    if asked is None:
        return None
    reference, field = asked
    return await find_tag(session, caller, reference, Attachment(owner_id, field, current))
