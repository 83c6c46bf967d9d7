"""``/api/active``: what runs now, start step by start step, and what it prints.

A pod that is gone is in no list any more, but asked for by its name it is shown as it was seen last
for as long as it is remembered, and so is its log: ``sc logs`` asks in this way. Logs and their
ends come from the log source, outside any transaction; nothing is decided by them. The end of its
log is read for the one pod that is asked for, never for a list.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.workloads import PodObserved, PodStatus, WorkloadObservedV1
from cassini.runtime.errors import NotFound
from services.api.access import Action, access
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ApiContext, ContextDep
from services.api.images.schemas import require_visible_tag
from services.api.offsets import cut
from services.api.page_keys import PageAskedDep
from services.api.resources.access import visible_workspace
from services.api.resources.history import pods_of
from services.api.resources.models import PodRecord, Workspace
from services.api.resources.parts.mounting import Cluster
from services.api.resources.pod_schemas import PodLogs, PodSummary, PodSummaryList
from services.api.resources.pods import (
    CONTAINER,
    LOG_TAIL_LINES,
    PodName,
    pod_summary,
    remembered,
)

router = APIRouter(tags=["active"])

_PATH = "/api/active/pods"


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
    workload_id: Annotated[str, Query(max_length=64)],
    cluster: Cluster = None,  # noqa: ARG001 - in the contract
) -> PodSummaryList:
    """List the pods of a workload, in the order of their ranks."""
    async with api.database.read() as session:
        row = await _workload(session, caller, workload_type, workload_id)
        pods = await _observed_pods(session, api, row) if row else ()
        page = cut(pods, asked, order="pods")
        names = [name for pod in page.items if (name := PodName.parse(pod.name))]
        records = await _records(session, row, names) if row else {}
    shown = [pod_summary(row, pod, records) for pod in page.items] if row else []
    return PodSummaryList(pod_summaries=shown, **page.keys())


@router.get(f"{_PATH}/{{name}}", openapi_extra=access(Action.VIEW))
async def get_pod(
    api: ContextDep,
    caller: CallerDep,
    name: str,
    cluster: Cluster = None,  # noqa: ARG001 - in the contract
) -> PodSummary:
    """Show a pod, also one that is gone."""
    row, pod, records = await _find(api, caller, name)
    if pod is None:
        raise _no_such_pod()
    tail = []
    if pod.status is PodStatus.ERROR:
        lines = await api.log_source.pod_logs(pod.name, previous=False, lines=LOG_TAIL_LINES)
        tail = [line.text for line in lines]
    return pod_summary(row, pod, records, tail)


@router.get(f"{_PATH}/{{name}}/logs", openapi_extra=access(Action.VIEW))
async def get_pod_logs(
    api: ContextDep,
    caller: CallerDep,
    name: str,
    container_name: Annotated[str | None, Query(max_length=253)] = None,
    previous: Annotated[
        bool, Query(description="Of the attempt before this one, if there was one.")
    ] = False,
    cluster: Cluster = None,  # noqa: ARG001 - in the contract
    page_size: Annotated[int, Query(ge=1, le=5000, description="Lines, the last ones.")] = 1000,
) -> PodLogs:
    """Return the last lines that a pod printed, also of one that is gone, while they are kept."""
    _, pod, _ = await _find(api, caller, name)
    if container_name not in {None, "", CONTAINER}:
        raise NotFound(f"A pod has one container: {CONTAINER}.", code="container_not_found")
    lines = await api.log_source.pod_logs(name, previous=previous, lines=page_size)
    if not lines and pod is None:
        raise _no_such_pod()
    return PodLogs(logs="\n".join(line.text for line in lines))


async def _workload(
    session: AsyncSession, caller: Caller, workload_type: WorkloadType, workload_id: str
) -> Workspace | None:
    """Return what has pods; None for a build: it runs in the builder itself."""
    if workload_type is WorkloadType.WORKSPACE:
        return await visible_workspace(session, caller, Action.VIEW, workload_id)
    if workload_type is not WorkloadType.IMAGE_BUILD:
        raise NotFound(f"There is no such {workload_type}.", code="workload_not_found")
    await require_visible_tag(session, caller, workload_id)
    return None


async def _find(
    api: ApiContext, caller: Caller, text: str
) -> tuple[Workspace, PodObserved | None, dict[str, PodRecord]]:
    """Return a pod by its name, as it is or was seen last, with its workspace and its records."""
    name = PodName.parse(text)
    if name is None:
        raise _no_such_pod()
    async with api.database.read() as session:
        row = await visible_workspace(session, caller, Action.VIEW, name.resource_id)
        pods = await _observed_pods(session, api, row)
        records = await _records(session, row, [name])
    pod = next((pod for pod in pods if pod.name == text), None)
    if pod is None and text in records:
        pod = remembered(records[text])
    return row, pod, records


async def _observed_pods(
    session: AsyncSession, api: ApiContext, row: Workspace
) -> tuple[PodObserved, ...]:
    fact = await api.declarations.fact(session, "workload", row.id)
    return fact.pods if isinstance(fact, WorkloadObservedV1) else ()


async def _records(
    session: AsyncSession, row: Workspace, pods: Iterable[PodName]
) -> dict[str, PodRecord]:
    """Return what is remembered of pods, and of the attempts before them."""
    names = {str(each) for pod in pods for each in (pod, pod.before)}
    return {record.name: record for record in await pods_of(session, row.id, names)}


def _no_such_pod() -> NotFound:
    return NotFound("There is no such pod.", code="pod_not_found")
