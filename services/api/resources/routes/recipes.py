"""``/api/recipes``: workspaces as text that can be kept, copied and applied again.

Applying is declarative: the recipe is all that is wanted, and applying it twice changes nothing.
It goes the same way as an edit (``editing.py``).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import false
from sqlalchemy.exc import IntegrityError
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Conflict
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.scopes import Scope
from services.api.context import ApiContext, ContextDep
from services.api.images.references import Attachment, find_tag
from services.api.paging import PageDep, paginate
from services.api.people.owners import Owner, OwnerQuery, resolve_owner
from services.api.resources.access import find_by_name, list_query, locked_by_name
from services.api.resources.attaching import took
from services.api.resources.editing import change, create
from services.api.resources.lifecycle import Lifecycle
from services.api.resources.models import Workspace
from services.api.resources.parts.recipe import AsTemplate, show_recipes, token_scopes
from services.api.resources.parts.token import give_token
from services.api.resources.recipe_schemas import (
    RecipeList,
    WorkspaceRecipe,
    WorkspaceSpec,
    scope_of_recipe,
)
from services.api.resources.recipe_secrets import Wanted, give, read_entries
from services.api.resources.recipes import AppliedAs, values_of
from services.api.resources.surroundings import Surroundings, look_around
from services.api.resources.unknown_fields import refuse_unknown

router = APIRouter(prefix="/api/recipes", tags=["recipes"])

_IMAGE = "spec.image"

EnforceUnknown = Annotated[bool, Query(description="Refuse a recipe with fields nobody knows.")]


class RecipeType(StrEnum):
    """What recipes are about in the contract; here there are those of workspaces."""

    WORKSPACE = "workspace"
    DEPLOYMENT = "deployment"
    JOB = "job"
    IMAGE = "image"


@router.get("", openapi_extra=access(Action.VIEW), response_model_exclude_unset=True)
async def list_recipes(
    api: ContextDep,
    caller: CallerDep,
    page: PageDep,
    owner: OwnerQuery,
    type: RecipeType | None = None,  # noqa: A002 - the contract's name
    name: Annotated[str | None, Query(max_length=64, description="Part of the name.")] = None,
    as_template: AsTemplate = False,
) -> RecipeList:
    """List the recipes of an owner; the caller's own where none is named."""
    async with api.database.read() as session:
        query = await list_query(session, caller, owner)
        if name:
            query = query.where(col(Workspace.name).contains(name, autoescape=True))
        if type not in {None, RecipeType.WORKSPACE}:
            query = query.where(false())
        found = await paginate(session, query, page, Workspace)
        shown = await show_recipes(session, api, found.rows, as_template=as_template)
    return RecipeList(recipes=shown, **found.keys())


@router.get(
    "/{recipe_type}/{name}", openapi_extra=access(Action.VIEW), response_model_exclude_unset=True
)
async def get_recipe(
    api: ContextDep,
    caller: CallerDep,
    owner: OwnerQuery,
    recipe_type: str,
    name: str,
    as_template: AsTemplate = False,
) -> WorkspaceRecipe:
    """Show the recipe of exactly this name."""
    async with api.database.read() as session:
        owner_id = (await resolve_owner(session, caller, owner)).id
        if recipe_type != RecipeType.WORKSPACE:
            raise missing(recipe_type if recipe_type in set(RecipeType) else "kind of recipe")
        row = await find_by_name(session, caller, owner_id=owner_id, name=name)
        return (await show_recipes(session, api, [row], as_template=as_template))[0]


@router.post(
    "",
    status_code=201,
    openapi_extra=access(Action.CREATE),
    response_model_exclude_unset=True,
)
async def post_recipe(
    api: ContextDep,
    caller: CallerDep,
    body: WorkspaceRecipe,
    enforce_unknown: EnforceUnknown = False,
) -> WorkspaceRecipe:
    """Create a workspace from a recipe."""
    require(caller, Action.CREATE)
    if enforce_unknown:
        refuse_unknown(body)
    async with api.database.write() as session:
        owner = await resolve_owner(session, caller, body.spec.owner)
        row = await _create(session, api, caller, owner, body.spec)
        return (await show_recipes(session, api, [row], action="created"))[0]


@router.put(
    "",
    status_code=201,
    operation_id="recipes_apply",
    openapi_extra=access(Action.CREATE),
    response_model_exclude_unset=True,
)
async def put_recipe(
    api: ContextDep,
    caller: CallerDep,
    body: WorkspaceRecipe,
    enforce_unknown: EnforceUnknown = False,
) -> WorkspaceRecipe:
    """Make a workspace as a recipe says: create it, or change the one of its owner and name."""
    if enforce_unknown:
        refuse_unknown(body)
    try:
        return await _apply(api, caller, body.spec)
    except (Conflict, IntegrityError):  # created by another request since we looked: change it
        return await _apply(api, caller, body.spec)


async def _apply(api: ApiContext, caller: Caller, spec: WorkspaceSpec) -> WorkspaceRecipe:
    async with api.database.write() as session:
        owner = await resolve_owner(session, caller, spec.owner)
        secrets = await read_entries(session, caller, owner, spec.secrets)
        found = await locked_by_name(
            session,
            api,
            caller,
            Action.EDIT,
            owner_id=owner.id,
            name=spec.name,
            secrets={each.secret_id for each in secrets if each.secret_id},
        )
        action: AppliedAs = "created"
        if found is None:
            require(caller, Action.CREATE)
            row = await _create(session, api, caller, owner, spec)
        else:
            row, around = found
            action = await _change(session, api, caller, spec, secrets, row, around)
        return (await show_recipes(session, api, [row], action=action))[0]


async def _create(
    session: AsyncSession, api: ApiContext, caller: Caller, owner: Owner, spec: WorkspaceSpec
) -> Workspace:
    values = values_of(spec)
    tag = await find_tag(session, caller, spec.image, Attachment(owner.id, _IMAGE))
    row = await create(session, api, owner=owner, tag=tag, values=values)
    secrets = await read_entries(session, caller, owner, spec.secrets)
    if await give(session, api, caller, row, secrets):
        await took(session, api, row)
    await _grant(session, api, caller, spec, row)
    await _bring_to(session, api, caller, spec, row, await look_around(session, api, [row]))
    return row


async def _change(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    spec: WorkspaceSpec,
    secrets: Sequence[Wanted],
    row: Workspace,
    around: Surroundings,
) -> AppliedAs:
    # Given first: a held start that goes on with the new settings takes the new secrets along.
    given = await give(session, api, caller, row, secrets)
    values = values_of(spec)
    attachment = Attachment(row.owner_id, _IMAGE, row.image_tag_id)
    values["image_tag_id"] = (await find_tag(session, caller, spec.image, attachment)).id
    changed, around = await change(session, api, row, around, values)
    if given:
        await took(session, api, row)
    granted = await _grant(session, api, caller, spec, row)
    await _bring_to(session, api, caller, spec, row, around)
    return "updated" if changed or given or granted else "unchanged"


async def _grant(
    session: AsyncSession, api: ApiContext, caller: Caller, spec: WorkspaceSpec, row: Workspace
) -> bool:
    """Give a workspace's token the scope that its recipe has; returns whether it had another.

    Raises:
        Forbidden: the caller is a resource's token, which may not widen what a token may do.
    """
    if "token_scope" not in spec.model_fields_set:
        return False
    scope = scope_of_recipe(spec.token_scope, row.id)
    scopes = await token_scopes(session, [row.id])
    if Scope.parse(scopes[row.id]) == Scope.parse(scope):
        return False
    require(caller, Action.GRANT, owner_id=row.owner_id, resource_id=row.id, what="workspace")
    await give_token(session, api, caller, "workspace", row, scope)
    return True


async def _bring_to(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    spec: WorkspaceSpec,
    row: Workspace,
    around: Surroundings,
) -> None:
    """Start or stop a workspace where its recipe says so."""
    if spec.status is None:
        return
    require(caller, Action.START, owner_id=row.owner_id, resource_id=row.id, what="workspace")
    if spec.status == "running":
        await Lifecycle(api).start(session, row, around, debug_mode=False)
    else:
        await Lifecycle(api).stop(session, row)
