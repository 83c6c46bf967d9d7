"""Pods as the contract shows them; beside it: ``status_reason``, ``message``, ``log_tail``."""

from enum import StrEnum
from typing import Literal

from cassini.contracts.workloads import PodStatus
from services.api.paging import PageOut
from services.api.wire import DateTime, WireOut


class ContainerStatus(StrEnum):
    """The states of a container."""

    RUNNING = "running"
    PENDING = "pending"
    WAITING = "waiting"
    COMPLETED = "completed"
    ERROR = "error"


class RestartPolicy(StrEnum):
    """When a container that ended is started again."""

    ALWAYS = "Always"
    NEVER = "Never"
    ON_FAILURE = "OnFailure"


class ConditionOut(WireOut):
    """One step of a start, or whether it is ready."""

    type: str
    status: str
    reason: str | None
    message: str | None
    last_transition_time: DateTime | None
    last_probe_time: DateTime | None


class RuntimeObject(WireOut):
    """What everything that runs has: who it is, whose it is, how far it is."""

    name: str
    namespace: str
    uid: str
    controller_uid: str | None
    controller_kind: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    conditions: list[ConditionOut]
    started_at: DateTime | None
    deleted_at: DateTime | None


class _Attempt(RuntimeObject):
    reason: Literal["Evicted", "OOMKilled"] | None
    status_reason: str | None
    """Any other reason, in one word."""
    message: str | None
    """The reason in a sentence."""
    log_tail: list[str]
    """The last lines of one that failed, where one is asked for."""


class ContainerSummary(_Attempt):
    """What runs in a pod; ``previous`` is the attempt before, whose log is kept too."""

    status: ContainerStatus
    finished_at: DateTime | None
    restart_policy: RestartPolicy
    image_pulled: bool
    exit_code: int | None
    previous: "ContainerSummary | None"


class PodSummary(_Attempt):
    """One attempt of one rank of a resource."""

    status: PodStatus
    init_container_summaries: list[ContainerSummary]
    container_summaries: list[ContainerSummary]
    node_name: str | None
    completed_at: DateTime | None


class PodSummaryList(PageOut):
    """A page of pods."""

    pod_summaries: list[PodSummary]


class PodLogs(WireOut):
    """The last lines of a pod, as one text."""

    logs: str
