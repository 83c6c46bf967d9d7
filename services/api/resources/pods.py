"""Pods as the contract shows them, from the facts about workloads and the records of pods. Pure.

A pod is an attempt; its one container shows the attempt before as its ``previous``, as a container
that was started again in its place. ``reason`` may only be one of the contract's two words; every
other reason stands beside it, in ``status_reason`` and ``message``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cassini.contracts.resources import Condition
from cassini.contracts.workloads import PodObserved, PodStatus
from services.api.resources.models import PodRecord, Workspace
from services.api.resources.pod_schemas import (
    ConditionOut,
    ContainerStatus,
    ContainerSummary,
    PodSummary,
    RestartPolicy,
)
from services.api.wire import instant

NAMESPACE = "main-namespace"
CONTAINER = "main"
LOG_TAIL_LINES = 20
_REASONS = ("Evicted", "OOMKilled")
_POD_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,9})", re.ASCII)

_CONTAINER_STATUS = {
    PodStatus.PENDING: ContainerStatus.WAITING,
    PodStatus.RUNNING: ContainerStatus.RUNNING,
    PodStatus.ERROR: ContainerStatus.ERROR,
    PodStatus.STOPPING: ContainerStatus.RUNNING,
    PodStatus.STOPPED: ContainerStatus.COMPLETED,
    PodStatus.COMPLETED: ContainerStatus.COMPLETED,
    PodStatus.UNKNOWN: ContainerStatus.PENDING,
}


class PodName(NamedTuple):
    """The parts of ``<id>-<revision>-<rank>-<attempt>``."""

    resource_id: str
    revision: int
    rank: int
    attempt: int

    @classmethod
    def parse(cls, name: str) -> "PodName | None":
        """Return the parts of a pod's name; None where it is not one."""
        match = _POD_NAME.fullmatch(name)
        return cls(match[1], int(match[2]), int(match[3]), int(match[4])) if match else None

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @property
    def before(self) -> "PodName":
        """The attempt before this one."""
        return self._replace(attempt=self.attempt - 1)


def resource_labels(row: Workspace) -> dict[str, str]:
    """Return the labels of everything that runs for a resource."""
    return {
        "saturncloud.io/resource-id": row.id,
        "saturncloud.io/resource-type": "workspace",
        "saturncloud.io/resource-name": row.name,
    }


def pod_labels(row: Workspace, pod: PodName | PodObserved) -> dict[str, str]:
    """Return the labels of a resource's pod."""
    return resource_labels(row) | {
        "cassini/revision": str(pod.revision),
        "cassini/rank": str(pod.rank),
        "cassini/attempt": str(pod.attempt),
    }


def remembered(record: PodRecord) -> PodObserved | None:
    """Return a pod as it was seen last; None where its name is not one."""
    name = PodName.parse(record.name)
    if name is None:
        return None
    return PodObserved(
        name=record.name,
        rank=name.rank,
        attempt=name.attempt,
        revision=name.revision,
        status=PodStatus(record.status),
        created_at=record.started_at,
        finished_at=record.finished_at,
        exit_code=record.exit_code,
        reason=record.reason,
        message=record.message,
    )


def pod_summary(
    row: Workspace,
    pod: PodObserved,
    records: Mapping[str, PodRecord],
    log_tail: Sequence[str] = (),
) -> PodSummary:
    """Show a pod.

    ``records`` are what is kept of it and of the attempt before it, by name.
    """
    record = records.get(pod.name)
    since = pod.created_at or (record.started_at if record else pod.started_at)
    name = PodName.parse(pod.name)
    last = records.get(str(name.before)) if name else None
    before = remembered(last) if last else None
    previous = _container(row, before, (), previous=None) if before else None
    return PodSummary(
        **_common(row, pod, log_tail),
        name=pod.name,
        uid=pod.name,
        status=pod.status,
        started_at=instant(since),
        completed_at=instant(pod.finished_at),
        node_name=None,
        init_container_summaries=[],
        container_summaries=[_container(row, pod, log_tail, previous=previous)],
    )


def show_conditions(conditions: Sequence[Condition]) -> list[ConditionOut]:
    """Show conditions."""
    return [
        ConditionOut(
            type=each.type,
            status=str(each.status),
            reason=each.reason,
            message=each.message,
            last_transition_time=instant(each.last_transition_time),
            last_probe_time=None,
        )
        for each in conditions
    ]


def _container(
    row: Workspace, pod: PodObserved, log_tail: Sequence[str], previous: ContainerSummary | None
) -> ContainerSummary:
    return ContainerSummary(
        **_common(row, pod, log_tail),
        name=CONTAINER,
        uid=f"{pod.name}-{CONTAINER}",
        status=_CONTAINER_STATUS[pod.status],
        started_at=instant(pod.started_at or pod.created_at),
        finished_at=instant(pod.finished_at),
        restart_policy=RestartPolicy.ON_FAILURE,
        image_pulled=pod.status is not PodStatus.PENDING,
        exit_code=pod.exit_code,
        previous=previous,
    )


def _common(row: Workspace, pod: PodObserved, log_tail: Sequence[str]) -> dict[str, Any]:
    """Return what a pod and its container both have."""
    return {
        "namespace": NAMESPACE,
        "controller_uid": row.id,
        "controller_kind": "Workload",
        "labels": pod_labels(row, pod),
        "annotations": {},
        "conditions": show_conditions(pod.conditions),
        "deleted_at": None,
        "reason": pod.reason if pod.reason in _REASONS else None,
        "status_reason": pod.reason,
        "message": pod.message,
        "log_tail": list(log_tail),
    }
