"""``…/history``: the pods that a resource has had, of any kind that has pods."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.resources.history import pods_of
from services.api.resources.parts.history_schemas import PodHistory, ResourceHistory
from services.api.resources.parts.mounting import Cluster, Find


def history_router(kind: str, find: Find) -> APIRouter:
    """Return the route ``/api/<kind>s/{<kind>_id}/history``."""
    router = APIRouter(tags=[f"{kind}s"])
    own_id = f"{kind}_id"

    @router.get(
        f"/api/{kind}s/{{{own_id}}}/history",
        name=f"get_{kind}_pod_history",
        openapi_extra=access(Action.VIEW),
    )
    async def get_history(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        cluster: Cluster = None,  # noqa: ARG001 - in the contract
    ) -> ResourceHistory:
        """List the pods that are there and that were, the newest first."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            records = await pods_of(session, row.id)
        now = api.clock.now()
        return ResourceHistory(pods=[PodHistory.of(record, now=now) for record in records])

    return router
