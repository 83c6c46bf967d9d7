"""``/api/active/resources``: what is not stopped, of an owner, an org or the whole installation."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action, access, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import OwnerRow
from services.api.context import ContextDep
from services.api.page_keys import PageAskedDep
from services.api.paging import PageQuery, paginate
from services.api.people.owners import OwnerFields, OwnerId, resolve_owner
from services.api.resources.models import ACTIVE, Workspace
from services.api.resources.routes.workspaces import show_workspaces
from services.api.resources.schemas import ActiveResourceList

router = APIRouter(tags=["active"])


class ListBy(StrEnum):
    """Whose resources are listed."""

    OWNER = "owner"
    ORG = "org"
    ACCOUNT = "account"


class ResourceType(StrEnum):
    """The kinds of resources."""

    DASK = "dask"
    DEPLOYMENT = "deployment"
    JOB = "job"
    WORKSPACE = "workspace"


@router.get("/api/active/resources", openapi_extra=access(Action.VIEW))
async def list_active_resources(
    api: ContextDep,
    caller: CallerDep,
    asked: PageAskedDep,
    user_id: OwnerId | None = None,
    group_id: OwnerId | None = None,
    org_id: OwnerId | None = None,
    resource_type: ResourceType | None = None,
    list_by: Annotated[
        ListBy, Query(description="Whose; an org's and all are for admins.")
    ] = ListBy.OWNER,
) -> ActiveResourceList:
    """List what is not stopped, oldest first."""
    if list_by is not ListBy.OWNER:
        require(caller, Action.ADMIN)
    if resource_type not in {None, ResourceType.WORKSPACE}:
        return ActiveResourceList(resources=[], prev_key=None, next_key=None)
    owner = OwnerFields(user_id=user_id, group_id=group_id, org_id=org_id)
    async with api.database.read() as session:
        query = select(Workspace).where(ACTIVE, *await _whose(session, caller, list_by, owner))
        if caller.scope.resources is not None:
            query = query.where(col(Workspace.id).in_(caller.scope.resources))
        page = await paginate(session, query, PageQuery(**vars(asked)), Workspace)
        shown = await show_workspaces(session, api, page.rows)
    return ActiveResourceList(resources=shown, **page.keys())


async def _whose(
    session: AsyncSession, caller: Caller, list_by: ListBy, owner: OwnerFields
) -> list[ColumnElement[bool]]:
    owner_id = col(Workspace.owner_id)
    if list_by is ListBy.ACCOUNT:
        return []
    if list_by is ListBy.ORG:
        own = select(OwnerRow.org_id).where(col(OwnerRow.id) == caller.default_owner_id)
        org_id = owner.org_id or own.scalar_subquery()
        return [owner_id.in_(select(OwnerRow.id).where(col(OwnerRow.org_id) == org_id))]
    if not owner.model_dump(exclude_none=True):
        return [owner_id.in_(caller.owner_ids)]
    return [owner_id == (await resolve_owner(session, caller, owner)).id]
