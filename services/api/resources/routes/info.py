"""What the installation offers: ``/api/info`` and the options of servers."""

from urllib.parse import urlsplit

from fastapi import APIRouter

from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.images.schemas import show_tags
from services.api.images.wishes import default_tag
from services.api.resources.backends import offered_sizes
from services.api.resources.checks import WORKING_DIRECTORY
from services.api.resources.info_schemas import (
    AppInfo,
    CpuImage,
    DefaultSizes,
    IdeImages,
    InstanceSize,
    ServerOptions,
    WorkspaceServerInfo,
    WorkspaceServerOptions,
)
from services.api.version import SATURN_VERSION

router = APIRouter()


@router.get("/api/info", tags=["info"], openapi_extra=access(Action.KNOW))
async def get_info(api: ContextDep, _: CallerDep) -> AppInfo:
    """Describe the installation."""
    return AppInfo(
        version=SATURN_VERSION,
        git_repo_clone_dir=WORKING_DIRECTORY,
        app_serving_domain=urlsplit(api.settings.url).hostname or "localhost",
    )


@router.get("/api/info/servers", tags=["info"], openapi_extra=access(Action.KNOW))
async def get_server_options(api: ContextDep, _: CallerDep) -> ServerOptions:
    """List what resources can be given."""
    async with api.database.read() as session:
        return ServerOptions.of(await offered_sizes(session, api))


@router.get("/api/workspaces/info", tags=["workspaces"], openapi_extra=access(Action.KNOW))
async def get_workspace_server_options(api: ContextDep, _: CallerDep) -> WorkspaceServerInfo:
    """List what workspaces can be given, and what they get by default."""
    async with api.database.read() as session:
        sizes = await offered_sizes(session, api)
        tag = await default_tag(session)
        image = (await show_tags(session, {tag.id}))[tag.id]
    return WorkspaceServerInfo(
        server_options=WorkspaceServerOptions.of(sizes),
        default_images=IdeImages(jupyter=CpuImage(CPU=image)),
        default_sizes=DefaultSizes(CPU=InstanceSize.of(sizes.default)),
    )
