"""Workloads (what should be running) and the backend that runs them.

The API declares a workload for each workspace; the provisioner owns them. The wish names the
image by reference and secrets that are kept by credential id; a value that belongs to its revision
alone it carries itself, sealed. No secret value stands in it open.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from cassini.contracts.resources import (
    Condition,
    Declared,
    Generation,
    Message,
    Observed,
    ResourceId,
    Revision,
    Wanted,
)

Port = Annotated[int, Field(ge=1, le=65535)]


class WorkloadStatus(StrEnum):
    """The states of a workload as its owner sees it."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"
    COMPLETED = "completed"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    """An object of ours was found, but no wish for it is known (the owner was restored)."""


class SecretVariable(Message):
    """An environment variable whose value is a credential's, at this generation or a later one."""

    variable: str
    credential_id: ResourceId
    minimum_generation: Generation


class SecretFile(Message):
    """A file that holds a credential's value, at this generation or a later one.

    ``path`` is absolute and in the home directory. What stands there is a link: the value itself
    is in memory, for as long as the pod is there.
    """

    path: str
    credential_id: ResourceId
    minimum_generation: Generation


class ConfigFile(Message):
    """A file written under the home directory at every start."""

    content: str
    mode: str = "0644"


class ExtraPackages(Message):
    """Packages installed into the workload's own overlay at every start.

    ``pip`` is a space-separated list of requirements, or the text of a requirements file when
    ``as_requirements_txt`` is set.
    """

    pip: str = ""
    as_requirements_txt: bool = False


class Identity(Message):
    """Who a workload is, told to it in its ``SATURN_*`` environment."""

    resource_name: str
    resource_type: str
    owner: str
    """``<org>/<identity>``."""
    owner_id: ResourceId
    base_url: str


class WorkloadSpec(Message):
    """The snapshot one revision is made from."""

    kind: Literal["workspace"]
    identity: Identity
    image: str
    """What the builder observed: the path of a virtual environment, or ``image@digest``."""
    cores: Annotated[float, Field(gt=0)]
    memory_bytes: Annotated[int, Field(gt=0)]
    command: str | None = None
    """Run instead of the kind's own command."""
    environment: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[SecretVariable, ...] = ()
    secret_files: tuple[SecretFile, ...] = ()
    working_directory: str = "/home/jovyan/workspace"
    extra_packages: ExtraPackages = ExtraPackages()
    config_files: dict[str, ConfigFile] = Field(default_factory=dict)
    start_script: str = ""
    debug_mode: bool = False


class WorkloadDeclaredV1(Declared):
    """What should be running. ``spec`` may be missing only where nothing is to run.

    ``sealed`` holds a JSON object environment variable -> value, sealed to the provisioner for
    this id: what the declarer itself derives for this revision. It stays with the wish, so that
    whoever emits it again and an owner that was restored have it too.
    """

    UNDIGESTED: ClassVar[frozenset[str]] = frozenset({"sealed"})

    wanted: Literal[Wanted.RUNNING, Wanted.STOPPED, Wanted.ABSENT]
    revision: Revision
    replicas: Annotated[int, Field(ge=0)] = 1
    spec: WorkloadSpec | None = None
    sealed: str | None = None

    @model_validator(mode="after")
    def _running_needs_a_spec(self) -> Self:
        if self.wanted == Wanted.RUNNING and self.spec is None:
            raise ValueError("a workload that is to run needs a spec")
        return self


class PodStatus(StrEnum):
    """The states of one rank's current attempt, Saturn's pod states."""

    PENDING = "pending"
    RUNNING = "running"
    ERROR = "error"
    STOPPING = "stopping"
    STOPPED = "stopped"
    COMPLETED = "completed"
    UNKNOWN = "unknown"


class Endpoint(Message):
    """Where one port of a pod answers."""

    container_port: Port
    host: str
    port: Port


class PodObserved(Message):
    """One rank of a workload: its current attempt.

    ``name`` is ``<id>-<revision>-<rank>-<attempt>``; times are Unix seconds. ``conditions`` are
    the steps of its start, in order (scheduled, image, environment, start script, ready).
    """

    name: str
    rank: Annotated[int, Field(ge=0)]
    attempt: Annotated[int, Field(ge=1)]
    revision: Revision
    status: PodStatus
    ready: bool = False
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class WorkloadObservedV1(Observed):
    """What is seen of a workload."""

    status: WorkloadStatus
    revision: Revision
    pods: tuple[PodObserved, ...] = ()
    started_at: float | None = None
    """When the current revision first became ready, Unix seconds."""


class BackendObservedV1(Observed):
    """What the provisioner can do now. There is one per provisioner installation."""

    kind: str
    reachable: bool
    cores: float
    memory_bytes: int
    isolation: str
    """How workloads are kept apart, in one word: ``namespaces``, ``containers``, ``none``."""
    limits: tuple[str, ...] = ()
    """Which limits are enforced: ``memory``, ``cpu``, ``processes``."""
