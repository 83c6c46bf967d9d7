"""``/api/workspaces/{workspace_id}/recipe``, and how recipes are shown everywhere."""

from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.auth.tokens import resource_scopes
from services.api.context import ApiContext, ContextDep
from services.api.people.owners import owners_by_id
from services.api.resources.access import visible_workspace
from services.api.resources.models import Workspace
from services.api.resources.recipe_schemas import WorkspaceRecipe
from services.api.resources.recipe_secrets import entries_of
from services.api.resources.recipes import AppliedAs, recipe_of
from services.api.resources.secrets import NOTHING, given_to
from services.api.resources.surroundings import look_around

router = APIRouter(tags=["workspaces"])

AsTemplate = Annotated[
    bool, Query(description="For a copy: without owner, state, status and subdomain.")
]


@router.get(
    "/api/workspaces/{workspace_id}/recipe",
    openapi_extra=access(Action.VIEW),
    response_model_exclude_unset=True,
)
async def get_workspace_recipe(
    api: ContextDep, caller: CallerDep, workspace_id: str, as_template: AsTemplate = False
) -> WorkspaceRecipe:
    """Show a workspace as a recipe."""
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.VIEW, workspace_id)
        return (await show_recipes(session, api, [row], as_template=as_template))[0]


async def show_recipes(
    session: AsyncSession,
    api: ApiContext,
    rows: Sequence[Workspace],
    *,
    as_template: bool = False,
    action: AppliedAs | None = None,
) -> list[WorkspaceRecipe]:
    """Show rows as recipes; what they refer to is read in one query a kind."""
    around = await look_around(session, api, rows)
    ids = [row.id for row in rows]
    scopes, given = await token_scopes(session, ids), await given_to(session, ids)
    kept_by = {secret.owner_id for each in given.values() for _, secret in each.filled}
    owners = await owners_by_id(session, kept_by)
    return [
        recipe_of(
            row,
            around,
            secrets=entries_of(given.get(row.id, NOTHING), owners),
            token_scope=scopes[row.id],
            base_url=api.settings.url,
            as_template=as_template,
            action=action,
        )
        for row in rows
    ]


async def token_scopes(
    session: AsyncSession, workspace_ids: Collection[str]
) -> dict[str, str | None]:
    """Return what the token of each workspace may do, in one query."""
    own = {each: f"workspace:{each}" for each in workspace_ids}
    return own | await resource_scopes(session, workspace_ids)
