"""What the provisioner asks of a backend, and what it gets to see.

A backend is level-triggered plumbing: it makes, lists, ends and removes pods (one attempt of one
rank each), and never decides. Every call may be repeated: *already exists* under the same name is
success, *already gone* is success. ``changes`` only hints; ``list_pods`` is the truth, complete
or an error, never in between.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cassini.runtime.log_source import LogPage
from services.provisioner.plan import PodName, PodPlan


class PodPhase(StrEnum):
    """How far one attempt is."""

    STARTING = "starting"
    """Made, its preparation runs (directories, packages, start script)."""
    STARTED = "started"
    """The main command runs; ``ready`` tells whether it answers."""
    ENDED = "ended"
    """Its processes are gone; ``exit_code`` and ``reason`` tell how."""
    LOST = "lost"
    """Its keeper was killed from outside or the host restarted: nobody knows how it ended."""


class EndReason(StrEnum):
    """Why an attempt ended."""

    EXITED = "Exited"
    """The main command ended by itself: the exit code tells how."""
    STOPPED = "Stopped"
    """It was terminated on request."""
    PREPARATION_FAILED = "PreparationFailed"
    """A step before the main command failed: the failed step tells which."""
    OOM_KILLED = "OOMKilled"
    """It outgrew its memory."""
    PORT_TAKEN = "PortTaken"
    """Somebody else listened on its port before it could."""
    START_FAILED = "StartFailed"
    """The backend could not run it at all; the message tells why."""
    HOST_RESTARTED = "HostRestarted"
    """The machine was restarted under it."""
    KEEPER_KILLED = "KeeperKilled"
    """What watched over it was killed from outside."""


@dataclass(frozen=True)
class StepReport:
    """One step of the preparation as the start-up script reported it."""

    name: str
    state: str
    """``begin``, ``done`` or ``failed``."""
    at: float
    exit_code: int | None = None


@dataclass(frozen=True)
class PodEndpoint:
    """Where a container port answers on this machine or network."""

    container_port: int
    host: str
    port: int


@dataclass(frozen=True)
class Pod:
    """One attempt as the backend sees it. Times are Unix seconds."""

    name: PodName
    declarer: str
    phase: PodPhase
    begun: bool = True
    """False: its making was cut short before anything ran; ``create`` completes it."""
    ready: bool = False
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    reason: EndReason | None = None
    message: str | None = None
    steps: tuple[StepReport, ...] = ()
    endpoints: tuple[PodEndpoint, ...] = ()


@dataclass(frozen=True)
class PodUsage:
    """What a pod has used until now; None where the backend cannot measure it.

    All but the memory are counts since ``began_at`` (Unix seconds, when the pod was made). A count
    that is lower than it was has begun again from zero.
    """

    name: PodName
    began_at: float
    cpu_seconds: float | None
    memory_bytes: int | None
    """What it holds now, without file cache that is not in use."""
    received_bytes: int | None
    sent_bytes: int | None


@dataclass(frozen=True)
class BackendDescription:
    """What a backend can do on this installation, as the backend fact says it."""

    kind: str
    cores: float
    memory_bytes: int
    isolation: str
    limits: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = ()
    """What it could do but cannot here, and why: sentences for whoever runs the platform."""


class Backend(Protocol):
    """Where pods run. All calls raise ``BackendError`` when the place cannot be reached."""

    async def open(self) -> None:
        """Find out what the place offers, start watching; called once before all else."""

    async def close(self) -> None:
        """Stop watching. Pods go on running."""

    async def describe(self) -> BackendDescription:
        """Say what this place can do now."""

    async def create(self, plan: PodPlan, secrets: Mapping[str, str]) -> None:
        """Make the pod of this plan, its home included; success if it exists.

        ``secrets`` maps environment variables to values; they are given to the pod's processes
        and written nowhere else.
        """

    async def list_pods(self, workload_id: str | None = None) -> Sequence[Pod]:
        """Return every pod of this installation (or of one workload), ended ones included."""

    async def terminate(self, name: PodName) -> None:
        """Ask a pod to end within its grace, then by force; returns at once."""

    async def remove(self, name: PodName) -> None:
        """Remove what is left of an ended pod, its overlay and its log included."""

    async def discard_home(self, workload_id: str) -> None:
        """Move the home of a workload to the trash, where it stays for the days it is kept."""

    async def recover_home(self, workload_id: str) -> None:
        """Take the newest home of a workload back from the trash, if there is no home now."""

    async def read_logs(
        self, name: PodName, *, first: int, lines: int, unended: bool = False
    ) -> LogPage | None:
        """Return lines of a pod as ``LogSource.pod_log_page`` does; None where there is no pod.

        ``unended``: a last line of which the end is not there yet counts too, as it counts anyway
        once the pod has ended.
        """

    async def measure(self) -> Sequence[PodUsage]:
        """Return what every pod that runs has used until now."""

    def changes(self) -> AsyncIterator[str]:
        """Yield ids of workloads whose pods may have changed: a hint, never the truth."""
