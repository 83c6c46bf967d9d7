"""``/api/active/pods``: what runs now, start step by start step, and what it prints.

Logs and their ends come from the log source, outside any transaction; nothing is decided by them.
"""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.workloads import PodObserved, PodStatus, WorkloadObservedV1
from cassini.runtime.errors import NotFound
from services.api.access import Action, access
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ApiContext, ContextDep
from services.api.images.schemas import show_tags
from services.api.offsets import cut
from services.api.page_keys import PageAskedDep
from services.api.resources.access import visible_workspace
from services.api.resources.models import Workspace
from services.api.resources.pods import CONTAINER, LOG_TAIL_LINES, PodName, pod_summary

router = APIRouter(tags=["active"])

_PATH = "/api/active/pods"
_CLUSTER = Query(description="Ignored: there is one cluster.")


class WorkloadType(StrEnum):
    """What can have pods."""

    DASK = "dask"
    DEPLOYMENT = "deployment"
    IMAGE_BUILD = "image_build"
    JOB = "job"
    WORKSPACE = "workspace"


@router.get(_PATH, openapi_extra=access(Action.VIEW))
async def list_pods(
    api: ContextDep,
    caller: CallerDep,
    asked: PageAskedDep,
    workload_type: WorkloadType,
    workload_id: str,
    cluster: Annotated[str | None, _CLUSTER] = None,  # noqa: ARG001 - in the contract
) -> dict[str, Any]:
    """List the pods of a workload, in the order of their ranks."""
    row, pods = await _pods_of(api, caller, workload_type, workload_id)
    page = cut(pods, asked, order="pods")
    summaries = [await _summary(api, row, pod) for pod in page.items] if row else []
    return {"pod_summaries": summaries, **page.keys()}


@router.get(f"{_PATH}/{{name}}", openapi_extra=access(Action.VIEW))
async def get_pod(
    api: ContextDep,
    caller: CallerDep,
    name: str,
    cluster: Annotated[str | None, _CLUSTER] = None,  # noqa: ARG001 - in the contract
) -> dict[str, Any]:
    """Show a pod."""
    row, pods = await _workload_of_pod(api, caller, name)
    for pod in pods:
        if pod.name == name:
            return await _summary(api, row, pod)
    raise _no_such_pod()


@router.get(f"{_PATH}/{{name}}/logs", openapi_extra=access(Action.VIEW))
async def get_pod_logs(
    api: ContextDep,
    caller: CallerDep,
    name: str,
    container_name: str | None = None,
    previous: bool = False,
    cluster: Annotated[str | None, _CLUSTER] = None,  # noqa: ARG001 - in the contract
    page_size: Annotated[int, Query(ge=1, le=5000, description="Lines, the last ones.")] = 1000,
) -> dict[str, str]:
    """Return the last lines that a pod printed; also of one that has ended, while they are kept."""
    _, pods = await _workload_of_pod(api, caller, name)
    if container_name not in {None, "", CONTAINER}:
        raise NotFound(f"A pod has one container: {CONTAINER}.", code="container_not_found")
    lines = await api.log_source.pod_logs(name, previous=previous, lines=page_size)
    if not lines and all(pod.name != name for pod in pods):
        raise _no_such_pod()
    return {"logs": "\n".join(line.text for line in lines)}


async def _pods_of(
    api: ApiContext, caller: Caller, workload_type: WorkloadType, workload_id: str
) -> tuple[Workspace | None, tuple[PodObserved, ...]]:
    """Return a workload and its pods; a build has none, it runs in the builder itself."""
    async with api.database.read() as session:
        if workload_type is WorkloadType.IMAGE_BUILD:
            if workload_id not in await show_tags(session, {workload_id}):
                raise NotFound("There is no such image version.", code="image_tag_not_found")
            return None, ()
        if workload_type is not WorkloadType.WORKSPACE:
            raise NotFound(f"There is no such {workload_type}.", code="workload_not_found")
        row = await visible_workspace(session, caller, Action.VIEW, workload_id)
        return row, await _observed_pods(session, api, row)


async def _workload_of_pod(
    api: ApiContext, caller: Caller, name: str
) -> tuple[Workspace, tuple[PodObserved, ...]]:
    parts = PodName.parse(name)
    if parts is None:
        raise _no_such_pod()
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.VIEW, parts.resource_id)
        return row, await _observed_pods(session, api, row)


async def _observed_pods(
    session: AsyncSession, api: ApiContext, row: Workspace
) -> tuple[PodObserved, ...]:
    fact = await api.declarations.fact(session, "workload", row.id)
    return fact.pods if isinstance(fact, WorkloadObservedV1) else ()


async def _summary(api: ApiContext, row: Workspace, pod: PodObserved) -> dict[str, Any]:
    tail: list[str] = []
    if pod.status is PodStatus.ERROR:
        lines = await api.log_source.pod_logs(pod.name, previous=False, lines=LOG_TAIL_LINES)
        tail = [line.text for line in lines]
    return pod_summary(row, pod, tail)


def _no_such_pod() -> NotFound:
    return NotFound("There is no such pod.", code="pod_not_found")
