"""Is it there, can it work, which version is it: routes for probes and for clients' first call."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from cassini import __version__
from cassini.runtime.service import Health
from services.api.access import Action, access
from services.api.context import ContextDep
from services.api.errors import error_response
from services.api.version import SATURN_VERSION
from services.api.wire import WireOut

router = APIRouter()


class StatusOut(WireOut):
    """The first thing that clients ask for."""

    status: str = "ok"
    version: str = SATURN_VERSION
    cassini_version: str = __version__


class HealthOut(WireOut):
    """An answer to a probe; one that is not well has status 503, a message and a code."""

    status: str = "ok"


@router.get("/api/status", tags=["api_status"], openapi_extra=access(Action.OPEN))
async def get_status() -> StatusOut:
    """Get the API's status and version."""
    return StatusOut()


@router.get("/health/live", tags=["health"], openapi_extra=access(Action.OPEN))
async def get_live() -> HealthOut:
    """Tell that the process answers."""
    return HealthOut()


@router.get(
    "/health/ready",
    tags=["health"],
    openapi_extra=access(Action.OPEN),
    response_model=HealthOut,
)
async def get_ready(api: ContextDep) -> HealthOut | Response:
    """Tell whether the service can do its work now; 503 with the reason when not."""
    return _shown(await api.ready())


@router.get(
    "/health/platform",
    tags=["health"],
    openapi_extra=access(Action.OPEN),
    response_model=HealthOut,
)
async def get_platform(api: ContextDep) -> HealthOut | Response:
    """Tell whether a workspace could be started now; 503 with the reason when not."""
    return _shown(await api.platform())


def _shown(health: Health) -> HealthOut | Response:
    if health.ready:
        return HealthOut()
    reason = health.reason or "not ready yet"
    return error_response(HTTPStatus.SERVICE_UNAVAILABLE, reason, "not_ready")
