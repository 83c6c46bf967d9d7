"""Names and labels of all that the Docker backend makes. Pure.

What carries another installation's label, or none, is never touched. Names begin with
``cassini-<first 8 of the installation id>``, so that several installations share an engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.provisioner.plan import PodName

INSTALLATION = "cassini.installation"
WORKLOAD = "cassini.workload"
KIND = "cassini.kind"
REVISION, RANK, ATTEMPT = "cassini.revision", "cassini.rank", "cassini.attempt"
DECLARER = "cassini.declarer"
GRACE = "cassini.grace-seconds"
PORTS = "cassini.ports"
PROBE = "cassini.readiness"


@dataclass(frozen=True)
class Names:
    """The names and labels of one installation."""

    installation: str

    @property
    def _prefix(self) -> str:
        return f"cassini-{self.installation[:8]}"

    def container(self, name: PodName) -> str:
        """Return the name of a pod's container."""
        return f"{self._prefix}-{name}"

    def of_workload(self, workload_id: str, suffix: str = "") -> str:
        """Return the name of something that all pods of a workload share."""
        return f"{self._prefix}-{workload_id}{suffix}"

    def labels(self, kind: str, workload_id: str) -> dict[str, str]:
        """Return what everything carries; ``kind`` says what it is."""
        return {INSTALLATION: self.installation, KIND: kind, WORKLOAD: workload_id}

    def selector(self, kind: str, workload_id: str | None = None) -> list[str]:
        """Return the labels by which the engine finds such objects."""
        found = [f"{INSTALLATION}={self.installation}", f"{KIND}={kind}"]
        return found if workload_id is None else [*found, f"{WORKLOAD}={workload_id}"]

    def is_ours(self, labels: Mapping[str, str] | None) -> bool:
        """Tell whether something carries this installation's label."""
        return (labels or {}).get(INSTALLATION) == self.installation


def pod_name(labels: Mapping[str, str]) -> PodName:
    """Return the name of the pod that a container's labels tell.

    Raises:
        ValueError: they tell none.
    """
    try:
        parts = (labels[key] for key in (WORKLOAD, REVISION, RANK, ATTEMPT))
        return PodName.parse("-".join(parts))
    except KeyError as missing:
        raise ValueError(f"a container of ours lacks the label {missing}") from None
