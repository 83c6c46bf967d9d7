"""What a resource's state is, from what is wanted of it and what is seen of it. Pure.

A fact counts only for the wish it was given under: right after a start the newest fact is still
that of the stop before, and the resource is pending, not stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import WorkloadObservedV1, WorkloadStatus


class ResourceStatus(StrEnum):
    """Saturn's states of a workspace."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"


@dataclass(frozen=True)
class Seen:
    """A state with its reason: one CamelCase word for machines, one sentence for people."""

    status: ResourceStatus
    reason: str | None = None
    message: str | None = None


_P, _R, _E = ResourceStatus.PENDING, ResourceStatus.RUNNING, ResourceStatus.ERROR
_STOPPING, _STOPPED = ResourceStatus.STOPPING, ResourceStatus.STOPPED

# ``stopping`` and ``stopped`` under a wish to run: the old revision goes before the new one comes.
_TABLE: dict[tuple[Wanted, WorkloadStatus], ResourceStatus] = {
    (Wanted.RUNNING, WorkloadStatus.PENDING): _P,
    (Wanted.RUNNING, WorkloadStatus.RUNNING): _R,
    (Wanted.RUNNING, WorkloadStatus.STOPPING): _P,
    (Wanted.RUNNING, WorkloadStatus.STOPPED): _P,
    (Wanted.RUNNING, WorkloadStatus.ERROR): _E,
    (Wanted.RUNNING, WorkloadStatus.COMPLETED): _STOPPING,
    (Wanted.RUNNING, WorkloadStatus.ABSENT): _P,
    (Wanted.RUNNING, WorkloadStatus.UNKNOWN): _P,
    (Wanted.STOPPED, WorkloadStatus.PENDING): _STOPPING,
    (Wanted.STOPPED, WorkloadStatus.RUNNING): _STOPPING,
    (Wanted.STOPPED, WorkloadStatus.STOPPING): _STOPPING,
    (Wanted.STOPPED, WorkloadStatus.STOPPED): _STOPPED,
    (Wanted.STOPPED, WorkloadStatus.ERROR): _E,
    (Wanted.STOPPED, WorkloadStatus.COMPLETED): _STOPPED,
    (Wanted.STOPPED, WorkloadStatus.ABSENT): _STOPPED,
    (Wanted.STOPPED, WorkloadStatus.UNKNOWN): _STOPPING,
}


def not_seen(wanted: Wanted) -> Seen:
    """Return the state right after a wish, before anything is seen of it."""
    if wanted == Wanted.RUNNING:
        return Seen(_P, "Starting", "The start was asked for.")
    return Seen(_STOPPING, "Stopping", "The stop was asked for.")


def state_of(wanted: Wanted, generation: int, fact: WorkloadObservedV1) -> Seen:
    """Return the state of a resource.

    Args:
        wanted: what its last wish says, running or stopped.
        generation: the number of that wish.
        fact: the newest fact seen.
    """
    if fact.generation < generation:
        return not_seen(wanted)
    return Seen(_TABLE[wanted, fact.status], fact.reason, fact.message)


def held_by_secrets(lost: Sequence[str], late: Sequence[str], why: str | None = None) -> Seen:
    """Return the state of a resource whose start waits for values of secrets.

    Args:
        lost: the names of those that somebody has to enter again.
        late: the names of those that are not stored yet.
        why: what is known of the reason.
    """
    if lost:
        names = ", ".join(lost)
        return Seen(_P, "SecretLost", f"The value of secret {names} was lost: enter it again.")
    because = f": {why}" if why else ""
    waiting = f"The value of secret {', '.join(late)} is not stored yet{because}."
    return Seen(_P, "SecretNotStored", waiting)


def held_by_image(status: ImageStatus, reason: str | None, message: str | None) -> Seen:
    """Return the state of a resource whose start waits for its image."""
    if status == ImageStatus.ERROR:
        why = message or "its build log says why"
        return Seen(_E, reason or "ImageBuildFailed", f"The image could not be built: {why}")
    waiting = "The image is being built; the start goes on when it is ready."
    return Seen(_P, "ImageBuilding", waiting)
