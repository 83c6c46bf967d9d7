"""Plans: what a backend needs to make one pod. Pure; holds names of secrets, never values.

``plan_pod`` picks the kind's file and joins what all kinds share. A pod is one attempt of one
rank of one revision; its name tells all four, so that names never repeat and making it twice is
one pod.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

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
    """Environment variable -> credential id."""
    cores: float
    memory_bytes: int
    ports: tuple[int, ...]
    readiness: HttpProbe | None
    grace_seconds: float
