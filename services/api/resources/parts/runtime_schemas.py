"""How far a resource is now, as the contract shows it."""

from typing import Self

from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import PodStatus, WorkloadDeclaredV1, WorkloadObservedV1
from services.api.resources.models import Workspace
from services.api.resources.pod_schemas import RuntimeObject
from services.api.resources.pods import NAMESPACE, resource_labels, show_conditions
from services.api.resources.status import ResourceStatus
from services.api.wire import instant

_ACTIVE = {PodStatus.PENDING, PodStatus.RUNNING, PodStatus.STOPPING}


class RuntimeSummary(RuntimeObject):
    """A resource. ``started_at`` is when what runs now was first ready."""

    status: ResourceStatus
    scale: int
    """How many pods are wanted."""
    running_count: int
    active_count: int
    """How many there are that have not ended."""

    @classmethod
    def of(
        cls, row: Workspace, wish: WorkloadDeclaredV1 | None, fact: WorkloadObservedV1 | None
    ) -> Self:
        """Show a resource by its last wish and the newest fact."""
        pods = fact.pods if fact else ()
        computed = {
            "name": row.k8s_name,
            "namespace": NAMESPACE,
            "uid": row.id,
            "controller_uid": None,
            "controller_kind": None,
            "labels": resource_labels(row),
            "annotations": {},
            "conditions": show_conditions(pods[0].conditions if pods else ()),
            "started_at": instant(fact.started_at) if fact and pods else None,
            "deleted_at": None,
            "scale": wish.replicas if wish and wish.wanted == Wanted.RUNNING else 0,
            "running_count": sum(pod.status is PodStatus.RUNNING for pod in pods),
            "active_count": sum(pod.status in _ACTIVE for pod in pods),
        }
        stored = row.model_dump(include=set(cls.model_fields) - set(computed))
        return cls.model_validate(stored | computed)


class WorkspaceRuntimeSummary(RuntimeSummary):
    """A workspace."""

    disk_space: str
