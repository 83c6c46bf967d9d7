"""Instance sizes: which ones the machine can hold, and how they are shown. Pure.

The names are Saturn Cloud's classic ones with two smaller ones before them, so that recipes from
there find their size; ``machine`` is all that the machine has. Only sizes that fit are offered,
and always at least one: on a machine smaller than the smallest, that one shrinks to fit.
"""

from dataclasses import dataclass, replace
from typing import Any

from cassini.runtime.errors import Invalid

GIB = 1024**3
AUTO_SHUTOFF = ("1 hour", "6 hours", "24 hours", "3 days", "7 days", "Never")
DISK_SPACE = ("10Gi", "20Gi", "50Gi", "100Gi", "250Gi", "500Gi", "1000Gi")
WHOLE_MACHINE = "machine"


@dataclass(frozen=True)
class Capacity:
    """What workloads can be given together."""

    cores: float
    memory_bytes: int
    cloud: str


@dataclass(frozen=True)
class Size:
    """One instance size."""

    name: str
    cores: int
    memory_bytes: int
    cloud: str = "local"

    @property
    def memory(self) -> str:
        """The memory as a quantity: ``4Gi``, or ``640Mi`` where it is no whole number of Gi."""
        if self.memory_bytes % GIB == 0:
            return f"{self.memory_bytes // GIB}Gi"
        return f"{self.memory_bytes // 1024**2}Mi"

    @property
    def display_name(self) -> str:
        """The name as people see it."""
        return self.name[:1].upper() + self.name[1:]

    @property
    def display(self) -> str:
        """The size in one line: ``Large - 2 cores - 16 GB RAM``."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        memory = f"{self.memory_bytes / GIB:.1f}".removesuffix(".0")
        return f"{self.display_name} - {cores} - {memory} GB RAM"

    def as_json(self) -> dict[str, Any]:
        """Return the size as the API shows it."""
        return {
            "name": self.name,
            "cores": self.cores,
            "memory": self.memory,
            "gpu": 0,
            "gpu_type": None,
            "hardware_type": "CPU",
            "cloud": self.cloud,
            "display": self.display,
            "display_name": self.display_name,
            "price_per_hour": None,
            "description": "",
            "disabled": False,
            "disabled_message": "",
        }


_KNOWN = (
    Size("micro", 1, 1 * GIB),
    Size("small", 1, 2 * GIB),
    Size("medium", 2, 4 * GIB),
    Size("large", 2, 16 * GIB),
    Size("xlarge", 4, 32 * GIB),
    Size("2xlarge", 8, 64 * GIB),
    Size("4xlarge", 16, 128 * GIB),
    Size("8xlarge", 32, 256 * GIB),
    Size("12xlarge", 48, 384 * GIB),
    Size("16xlarge", 64, 512 * GIB),
)


_BY_NAME = {size.name: size for size in _KNOWN}


class Sizes:
    """The sizes that are offered, smallest first."""

    def __init__(self, capacity: Capacity | None) -> None:
        """Choose what fits; with no capacity known yet only the smallest is offered."""
        self._offered = {size.name: size for size in _fitting(capacity)}

    @property
    def all(self) -> tuple[Size, ...]:
        """All offered sizes, smallest first."""
        return tuple(self._offered.values())

    @property
    def default(self) -> Size:
        """The smallest size."""
        return self.all[0]

    def get(self, name: str) -> Size:
        """Return the size of that name.

        Raises:
            Invalid: it is not offered; the message names those that are.
        """
        if name not in self._offered:
            known = ", ".join(self._offered)
            raise Invalid(
                f"There is no instance size {name!r} here. Choose one of: {known}.",
                code="unknown_size",
            )
        return self._offered[name]

    def display(self, name: str) -> str:
        """Return how a size is shown, also one that is no longer offered."""
        size = self._offered.get(name) or _BY_NAME.get(name)
        return name if size is None else size.display


def _fitting(capacity: Capacity | None) -> list[Size]:
    if capacity is None:
        return [_KNOWN[0]]
    cores = max(int(capacity.cores), 1)
    fitting = [
        replace(size, cloud=capacity.cloud)
        for size in _KNOWN
        if size.cores <= cores and size.memory_bytes <= capacity.memory_bytes
    ]
    if not fitting:
        memory = min(_KNOWN[0].memory_bytes, capacity.memory_bytes)
        return [replace(_KNOWN[0], memory_bytes=memory, cloud=capacity.cloud)]
    whole = Size(WHOLE_MACHINE, cores, capacity.memory_bytes // GIB * GIB, capacity.cloud)
    if (whole.cores, whole.memory_bytes) not in {(one.cores, one.memory_bytes) for one in fitting}:
        fitting.append(whole)
    return fitting
