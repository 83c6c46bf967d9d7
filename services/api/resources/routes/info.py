"""What the installation offers: ``/api/info`` and the options of servers."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter

from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.images.schemas import show_tags
from services.api.images.wishes import default_tag
from services.api.resources.backends import offered_sizes
from services.api.resources.checks import WORKING_DIRECTORY
from services.api.resources.sizes import AUTO_SHUTOFF, DISK_SPACE
from services.api.version import SATURN_VERSION

router = APIRouter(tags=["info"])


@router.get("/api/info", openapi_extra=access(Action.KNOW))
async def app_info(api: ContextDep, _: CallerDep) -> dict[str, Any]:
    """Describe the installation."""
    return {
        "cloud_provider": "local",
        "is_multicluster": False,
        "allow_deployment_public_access": False,
        "is_enterprise": True,
        "customer_name": "Cassini",
        "stripe_public_key": None,
        "hotjar_user_tracking": False,
        "version": SATURN_VERSION,
        "auth0": {"enabled": False, "connections": {}, "disable_native_login": False},
        "network_filesystem_enabled": False,
        "git_repo_clone_dir": WORKING_DIRECTORY,
        "app_serving_domain": urlsplit(api.settings.url).hostname or "localhost",
        "dind_enabled": False,
        "token_factory_enabled_global": False,
        "apply_requires_confirm": False,
        "hide_invitations": True,
        "populate_examples": False,
        "whitelabel": {
            "enabled": False,
            "brand_name": "Cassini",
            "brand_short_name": None,
            "logo_mode": "icon_and_text",
            "logo_icon_url": "",
            "logo_full_url": "",
            "favicon_url": None,
            "primary_color": "#2f6f8f",
            "cloud_display_names": None,
            "cloud_icon_urls": None,
            "support_email": "",
            "website_url": "",
            "docs_url": None,
        },
        "hide_resource_creation_bar": False,
        "user_tracking": False,
    }


@router.get("/api/info/servers", openapi_extra=access(Action.KNOW))
async def server_options(api: ContextDep, _: CallerDep) -> dict[str, Any]:
    """List what resources can be given."""
    async with api.database.read() as session:
        sizes = await offered_sizes(session)
    return {
        "auto_shutoff": list(AUTO_SHUTOFF),
        "disk_space": _disk_space(),
        "sizes": {size.name: size.as_json() for size in sizes.all},
    }


@router.get("/api/workspaces/info", openapi_extra=access(Action.KNOW))
async def workspace_options(api: ContextDep, _: CallerDep) -> dict[str, Any]:
    """List what workspaces can be given, and what they get by default."""
    async with api.database.read() as session:
        sizes = await offered_sizes(session)
        tag = await default_tag(session)
        image = (await show_tags(session, {tag.id}))[tag.id]
    return {
        "server_options": {
            "auto_shutoff": list(AUTO_SHUTOFF),
            "disk_space": _disk_space(),
            "size": [size.as_json() for size in sizes.all],
        },
        "default_images": {"jupyter": {"CPU": image}, "rstudio": {}},
        "default_sizes": {"CPU": sizes.default.as_json()},
    }


def _disk_space() -> list[dict[str, str]]:
    return [{"value": value, "display_str": value.replace("Gi", " GB")} for value in DISK_SPACE]
