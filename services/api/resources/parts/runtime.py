"""``…/runtimesummary``: how far a resource is now, of any kind that has pods."""

from typing import Annotated

from fastapi import APIRouter, Path

from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadObservedV1
from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.resources.parts.mounting import Find
from services.api.resources.parts.runtime_schemas import RuntimeSummary


def runtime_router(kind: str, find: Find, shown_as: type[RuntimeSummary]) -> APIRouter:
    """Return the route ``/api/<kind>s/{<kind>_id}/runtimesummary``."""
    router = APIRouter(tags=[f"{kind}s"])
    own_id = f"{kind}_id"

    @router.get(
        f"/api/{kind}s/{{{own_id}}}/runtimesummary",
        name=f"get_{kind}_runtime_summary",
        response_model=shown_as,
        openapi_extra=access(Action.VIEW),
    )
    async def get_runtime_summary(
        api: ContextDep, caller: CallerDep, resource_id: Annotated[str, Path(alias=own_id)]
    ) -> RuntimeSummary:
        """Show how many of its pods there are to be, and how many there are."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            wish, fact = await api.declarations.both(session, "workload", row.id)
        return shown_as.of(
            row,
            wish if isinstance(wish, WorkloadDeclaredV1) else None,
            fact if isinstance(fact, WorkloadObservedV1) else None,
        )

    return router
