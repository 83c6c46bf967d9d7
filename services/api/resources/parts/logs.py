"""``…/logs``: what the pods of a resource printed, those that are gone too; of any kind with pods.

The lines lie with the provisioner and are read through the log source, outside any transaction;
nothing is decided by them.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from cassini.runtime.log_source import LogPage
from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.page_keys import PageAskedDep
from services.api.resources.history import pods_of
from services.api.resources.parts.log_pages import Printed, page_of_lines
from services.api.resources.parts.log_schemas import HistoricLog, HistoricLogList
from services.api.resources.parts.mounting import Cluster, Find
from services.api.resources.pods import CONTAINER
from services.api.wire import timestamp


def logs_router(kind: str, find: Find) -> APIRouter:
    """Return the route ``/api/<kind>s/{<kind>_id}/logs``."""
    router = APIRouter(tags=[f"{kind}s"])
    own_id = f"{kind}_id"

    @router.get(
        f"/api/{kind}s/{{{own_id}}}/logs",
        name=f"get_{kind}_logs",
        openapi_extra=access(Action.VIEW),
    )
    async def get_logs(
        api: ContextDep,
        caller: CallerDep,
        asked: PageAskedDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        pod_name: Annotated[
            str | None, Query(max_length=96, description="Only what this pod printed.")
        ] = None,
        cluster: Cluster = None,  # noqa: ARG001 - in the contract
    ) -> HistoricLogList:
        """List the lines that were printed, oldest first, one pod after the other."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            newest_first = await pods_of(session, row.id, {pod_name} if pod_name else None)

        async def read(pod: str, first: int, lines: int) -> LogPage:
            return await api.log_source.pod_log_page(pod, first=first, lines=lines)

        order = f"logs {row.id} {pod_name or ''}"
        page = await page_of_lines(newest_first[::-1], asked, order=order, read=read)
        return HistoricLogList(logs=[_show(each) for each in page.lines], **page.keys())

    return router


def _show(printed: Printed) -> HistoricLog:
    at = printed.line.at
    return HistoricLog(
        timestamp=timestamp(printed.place.began_at if at is None else at),
        content=printed.line.text,
        pod_name=printed.place.pod,
        container_name=CONTAINER,
    )
