"""Plans: what a backend needs to make one pod. Pure; holds names of secrets, never values.

``plan_pod`` picks the kind's file and joins what all kinds share. A pod is one attempt of one
rank of one revision; its name tells all four, so that names never repeat and making it twice is
one pod.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadSpec
from services.provisioner.kinds.base import HOME, InvalidSpec, KindPlan
from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import build_script, file_variables, plain_text

KINDS: Mapping[str, Callable[[WorkloadSpec], KindPlan]] = {"workspace": plan_workspace}

PLATFORM_VERSION = "2026.02.01"
"""What clients are told in ``SATURN_VERSION``: they compare it with dates of Saturn's releases."""

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_ONLY_PLATFORM = frozenset({"HOME", "PORT"})
_RESERVED = _ONLY_PLATFORM | {"SATURN_TOKEN", "JUPYTER_TOKEN"}
_RESERVED_PREFIX = "CASSINI_"

_POD_NAME = re.compile(r"^([0-9a-f]{32})-(\d+)-(\d+)-(\d+)$")


@dataclass(frozen=True, order=True)
class PodName:
    """``<workload id>-<revision>-<rank>-<attempt>``."""

    workload_id: str
    revision: int
    rank: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.workload_id}-{self.revision}-{self.rank}-{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name.

        Raises:
            ValueError: the text is not a pod's name.
        """
        match = _POD_NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"not the name of a pod: {text!r}")
        workload_id, revision, rank, attempt = match.groups()
        return cls(workload_id, int(revision), int(rank), int(attempt))


@dataclass(frozen=True)
class HttpProbe:
    """Ready means: this path answers any status below 500 on this container port."""

    port: int
    path: str


@dataclass(frozen=True)
class PodPlan:
    """Everything a backend needs to make one pod, but for the values of its secrets.

    ``script`` is POSIX sh: it prepares the pod, reports its steps (``startup.py``) and then
    ``exec``s the main command. It and ``environment`` say ``$PORT`` for the first port,
    ``/home/jovyan`` for the home, and ``$CASSINI_OVERLAY`` for the pod's own environment, whatever
    the backend makes of them.
    """

    name: PodName
    declarer: str
    owner_id: str
    image: str
    script: str
    environment: Mapping[str, str]
    secret_variables: Mapping[str, str]
    """Environment variable -> credential id; those of secret files are unset by the script."""
    cores: float
    memory_bytes: int
    ports: tuple[int, ...]
    readiness: HttpProbe | None
    grace_seconds: float


def plan_pod(wish: WorkloadDeclaredV1, rank: int, attempt: int) -> PodPlan:
    """Plan one attempt of one rank of a workload that is to run.

    Raises:
        InvalidSpec: no pod can be made from its spec; the text says why.
    """
    spec = wish.spec
    if spec is None:
        raise InvalidSpec("The wish says nothing of what is to run.")
    kind = KINDS[spec.kind](spec)
    probe = kind.readiness_path
    return PodPlan(
        name=PodName(wish.id, wish.revision, rank, attempt),
        declarer=wish.declarer,
        owner_id=spec.identity.owner_id,
        image=spec.image,
        script=build_script(wish.id, spec, kind),
        environment=_environment(wish.id, spec, kind),
        secret_variables=_secret_variables(spec),
        cores=spec.cores,
        memory_bytes=spec.memory_bytes,
        ports=kind.ports,
        readiness=None if probe is None else HttpProbe(kind.ports[0], probe),
        grace_seconds=kind.grace_seconds,
    )


def _environment(workload_id: str, spec: WorkloadSpec, kind: KindPlan) -> dict[str, str]:
    """Join defaults, the user's variables and the platform's; later ones win, secrets most."""
    organization, _, user = spec.identity.owner.partition("/")
    threads = str(max(1, math.ceil(spec.cores)))
    base_url = spec.identity.base_url.rstrip("/")
    defaults = {
        "LANG": "C.UTF-8",
        "MKL_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }
    platform = {
        "BASE_URL": base_url,
        "HOME": HOME,
        "NB_USER": "jovyan",
        "SATURN_BASE_URL": base_url,
        "SATURN_IS_INTERNAL": "true",
        "SATURN_ORG": organization,
        "SATURN_RESOURCE_ID": workload_id,
        "SATURN_USER": user,
        "SATURN_USERNAME": user,
        "SATURN_VERSION": PLATFORM_VERSION,
    }
    joined = defaults | _users_variables(spec.environment) | platform | dict(kind.environment)
    secret = {each.variable for each in spec.secrets}
    return {name: joined[name] for name in sorted(joined) if name not in secret}


def _secret_variables(spec: WorkloadSpec) -> dict[str, str]:
    variables = {}
    for each in spec.secrets:
        name = each.variable
        if not _VARIABLE.fullmatch(name):
            raise InvalidSpec(f"{name!r} cannot be the name of an environment variable.")
        if name in _ONLY_PLATFORM or name.startswith(_RESERVED_PREFIX):
            raise InvalidSpec(f"The environment variable {name} is set by the platform.")
        variables[name] = each.credential_id
    files = file_variables(spec.secret_files)
    return variables | {name: file.credential_id for name, file in files.items()}


def _users_variables(environment: Mapping[str, str]) -> dict[str, str]:
    taken = {}
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise InvalidSpec(f"{name!r} cannot be the name of an environment variable.")
        if name not in _RESERVED and not name.startswith(_RESERVED_PREFIX):
            taken[name] = plain_text(value, f"the environment variable {name}")
    return taken
