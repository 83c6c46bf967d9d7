"""The HTTP routes of resources and of what they are made from.

In this order: a fixed path (``/api/workspaces/info``) comes before one with an id in its place.
"""

from fastapi import APIRouter

from services.api.credentials.routes import router as secrets
from services.api.images.routes import router as images
from services.api.images.routes import tags_router as image_tags
from services.api.resources.access import locked_row, locked_workspace, visible_workspace
from services.api.resources.parts.history import history_router
from services.api.resources.parts.logs import logs_router
from services.api.resources.parts.metrics import metrics_router
from services.api.resources.parts.recipe import router as recipe
from services.api.resources.parts.runtime import runtime_router
from services.api.resources.parts.runtime_schemas import WorkspaceRuntimeSummary
from services.api.resources.parts.secrets import secrets_router
from services.api.resources.parts.token import token_router
from services.api.resources.routes.active import router as active
from services.api.resources.routes.active_resources import router as active_resources
from services.api.resources.routes.events import router as events
from services.api.resources.routes.info import router as info
from services.api.resources.routes.recipes import router as recipes
from services.api.resources.routes.workspaces import router as workspaces

ROUTERS: tuple[APIRouter, ...] = (
    info,
    workspaces,
    history_router("workspace", visible_workspace),
    logs_router("workspace", visible_workspace),
    metrics_router("workspace", visible_workspace),
    runtime_router("workspace", visible_workspace, WorkspaceRuntimeSummary),
    token_router("workspace", find=visible_workspace, lock=locked_row),
    secrets_router("workspace", find=visible_workspace, lock=locked_workspace),
    recipe,
    recipes,
    active,
    active_resources,
    events,
    images,
    image_tags,
    secrets,
)
