"""Pods as the contract shows them, from the facts about workloads. Pure.

``reason`` may only be one of the contract's two words; every other reason stands beside it, in
``status_reason`` and ``message``, and for a pod that failed the end of its log in ``log_tail``.
"""

import re
from typing import Any, NamedTuple

from cassini.contracts.resources import Condition
from cassini.contracts.workloads import PodObserved, PodStatus
from services.api.resources.models import Workspace
from services.api.wire import instant

NAMESPACE = "main-namespace"
CONTAINER = "main"
LOG_TAIL_LINES = 20
_REASONS = ("Evicted", "OOMKilled")
_POD_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,9})", re.ASCII)

_CONTAINER_STATUS = {
    PodStatus.PENDING: "waiting",
    PodStatus.RUNNING: "running",
    PodStatus.ERROR: "error",
    PodStatus.STOPPING: "running",
    PodStatus.STOPPED: "completed",
    PodStatus.COMPLETED: "completed",
    PodStatus.UNKNOWN: "pending",
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


def pod_labels(row: Workspace, pod: PodName | PodObserved) -> dict[str, str]:
    """Return the labels of a resource's pod."""
    return {
        "saturncloud.io/resource-id": row.id,
        "saturncloud.io/resource-type": "workspace",
        "saturncloud.io/resource-name": row.name,
        "cassini/revision": str(pod.revision),
        "cassini/rank": str(pod.rank),
        "cassini/attempt": str(pod.attempt),
    }


def pod_summary(row: Workspace, pod: PodObserved, log_tail: list[str]) -> dict[str, Any]:
    """Return a pod as the API shows it."""
    common = _common(row, pod)
    return common | {
        "name": pod.name,
        "uid": pod.name,
        "status": pod.status.value,
        "init_container_summaries": [],
        "container_summaries": [_container(common, pod, log_tail)],
        "node_name": None,
        "completed_at": instant(pod.finished_at),
        "log_tail": log_tail,
    }


def _common(row: Workspace, pod: PodObserved) -> dict[str, Any]:
    """Return what a pod and its container both have."""
    return {
        "namespace": NAMESPACE,
        "controller_uid": row.id,
        "controller_kind": "Workload",
        "labels": pod_labels(row, pod),
        "annotations": {},
        "conditions": [_condition(each) for each in pod.conditions],
        "started_at": instant(pod.started_at or pod.created_at),
        "deleted_at": None,
        "reason": pod.reason if pod.reason in _REASONS else None,
        "status_reason": pod.reason,
        "message": pod.message,
    }


def _container(common: dict[str, Any], pod: PodObserved, log_tail: list[str]) -> dict[str, Any]:
    return common | {
        "name": CONTAINER,
        "uid": f"{pod.name}-{CONTAINER}",
        "status": _CONTAINER_STATUS[pod.status],
        "finished_at": instant(pod.finished_at),
        "restart_policy": "OnFailure",
        "image_pulled": pod.status is not PodStatus.PENDING,
        "exit_code": pod.exit_code,
        "previous": None,
        "log_tail": log_tail,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": str(condition.status),
        "reason": condition.reason,
        "message": condition.message,
        "last_transition_time": instant(condition.last_transition_time),
        "last_probe_time": None,
    }
