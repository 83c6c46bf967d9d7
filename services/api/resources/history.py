"""The pods that a resource has had: kept from the facts about its workload, also when they go.

A fact names the pods that are there. What is new in it is written, in one statement; nothing is
written for a fact in which no pod changed. A pod that was in the fact before and is in this one no
more is gone, with the state it had last.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import Observed
from cassini.contracts.workloads import PodObserved, PodStatus, WorkloadObservedV1
from cassini.runtime.database import upsert
from services.api.resources.models import PodRecord

PODS_KEPT = 100
"""So many of one resource that are gone; the oldest go first."""
PODS_SHOWN = 1000
"""Of those and of all that are there."""

_UNDER_WAY = {PodStatus.PENDING, PodStatus.RUNNING, PodStatus.STOPPING}
_SECONDS_PER_DAY = 86400.0
_NEWEST_FIRST = (col(PodRecord.started_at).desc(), col(PodRecord.name).desc())


async def keep_pods(
    session: AsyncSession, fact: WorkloadObservedV1, before: Observed | None, *, now: float
) -> None:
    """Take in the newest fact about a workload; ``before`` is the one that it replaces."""
    known = {pod.name: pod for pod in before.pods} if isinstance(before, WorkloadObservedV1) else {}
    here = {pod.name: pod for pod in fact.pods}
    rows = [
        _row(pod, fact.id, now=now)
        for pod in fact.pods
        if pod.name not in known or _shown(pod) != _shown(known[pod.name])
    ]
    rows += [
        _row(_ended(pod, now), fact.id, now=now, gone=True)
        for name, pod in known.items()
        if name not in here
    ]
    if not rows:
        return
    await upsert(session, PodRecord, rows, stays={"started_at"})
    if here.keys() - known.keys():
        await _drop_surplus(session, fact.id)


async def pods_of(
    session: AsyncSession, workload_id: str, names: Collection[str] | None = None
) -> Sequence[PodRecord]:
    """Return the pods of a workload that are remembered, or those of these names; newest first."""
    query = select(PodRecord).where(col(PodRecord.workload_id) == workload_id)
    if names is not None:
        query = query.where(col(PodRecord.name).in_(names))
    else:
        query = query.limit(PODS_SHOWN)
    return (await session.exec(query.order_by(*_NEWEST_FIRST))).all()


async def forget_old(session: AsyncSession, *, now: float, days: float) -> None:
    """Delete the pods that have been gone for longer than so many days."""
    old = (col(PodRecord.gone), col(PodRecord.last_seen) < now - days * _SECONDS_PER_DAY)
    await session.execute(delete(PodRecord).where(*old))


async def _drop_surplus(session: AsyncSession, workload_id: str) -> None:
    mine = (col(PodRecord.workload_id) == workload_id, col(PodRecord.gone))
    kept = select(PodRecord.name).where(*mine).order_by(*_NEWEST_FIRST).limit(PODS_KEPT)
    await session.execute(delete(PodRecord).where(*mine, col(PodRecord.name).not_in(kept)))


def _shown(pod: PodObserved) -> tuple[object, ...]:
    return pod.status, pod.reason, pod.message, pod.finished_at, pod.exit_code


def _ended(pod: PodObserved, now: float) -> PodObserved:
    """Return a pod as it is remembered: what was under way was stopped, now at the latest."""
    status = PodStatus.STOPPED if pod.status in _UNDER_WAY else pod.status
    return pod.model_copy(update={"status": status, "finished_at": pod.finished_at or now})


def _row(pod: PodObserved, workload_id: str, *, now: float, gone: bool = False) -> dict[str, Any]:
    return {
        "name": pod.name,
        "workload_id": workload_id,
        "status": pod.status.value,
        "reason": pod.reason,
        "message": pod.message,
        "started_at": pod.created_at or pod.started_at or now,
        "finished_at": pod.finished_at,
        "exit_code": pod.exit_code,
        "last_seen": now,
        "gone": gone,
    }
