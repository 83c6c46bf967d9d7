"""Instance sizes: which ones the machine can hold, and how they are shown. Pure.

Where the settings name sizes, those are offered and no others; one that is larger than the machine
is shown as disabled and cannot be chosen. Else a built-in table is: its names are Saturn Cloud's
classic ones with two smaller ones before them, so that recipes from there find their size, and
``machine`` is all that the machine has. Of it only what fits is offered, and always at least one:
on a machine smaller than the smallest, that one shrinks to fit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from cassini.runtime.errors import Invalid
from cassini.runtime.settings import SizeSettings

GIB = 1024**3
DISK_SPACE = ("10Gi", "20Gi", "50Gi", "100Gi", "250Gi", "500Gi", "1000Gi")
WHOLE_MACHINE = "machine"
_UNITS = {"Mi": 1024**2, "Gi": GIB, "Ti": 1024 * GIB}


@dataclass(frozen=True)
class Capacity:
    """What workloads can be given together."""

    cores: float
    memory_bytes: int
    cloud: str

    @property
    def whole_cores(self) -> int:
        """The cores that one size can have: at least one, since a part of one is counted so."""
        return max(int(self.cores), 1)

    def holds(self, size: "Size") -> bool:
        """Whether a size fits."""
        return size.cores <= self.whole_cores and size.memory_bytes <= self.memory_bytes


@dataclass(frozen=True)
class Size:
    """One instance size."""

    name: str
    cores: int
    memory_bytes: int
    cloud: str = "local"
    title: str = ""
    description: str = ""
    price_per_hour: float | None = None
    disabled_message: str = ""
    """Why it cannot be chosen; empty where it can."""

    @classmethod
    def configured(cls, setting: SizeSettings) -> Self:
        """Return a size as an admin set it."""
        number, unit = setting.memory[:-2], setting.memory[-2:]
        return cls(
            name=setting.name,
            cores=setting.cores,
            memory_bytes=int(number) * _UNITS[unit],
            title=setting.display_name,
            description=setting.description,
            price_per_hour=setting.price_per_hour,
        )

    @property
    def memory(self) -> str:
        """The memory as a quantity: ``4Gi``, or ``640Mi`` where it is no whole number of Gi."""
        if self.memory_bytes % GIB == 0:
            return f"{self.memory_bytes // GIB}Gi"
        return f"{self.memory_bytes // 1024**2}Mi"

    @property
    def display_name(self) -> str:
        """The name as people see it."""
        return self.title or self.name[:1].upper() + self.name[1:]

    @cached_property
    def display(self) -> str:
        """The size in one line: ``Large - 2 cores - 16 GB RAM``."""
        return f"{self.display_name} - {_amount(self.cores, self.memory_bytes)}"

    def on(self, capacity: Capacity) -> Self:
        """Return the size as a machine offers it: disabled where it does not fit."""
        if capacity.holds(self):
            return replace(self, cloud=capacity.cloud)
        whole = _amount(capacity.whole_cores, capacity.memory_bytes)
        message = f"{self.display_name} is larger than this machine, which has {whole} in all."
        return replace(self, cloud=capacity.cloud, disabled_message=message)


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
    """The sizes that are offered, in the order in which people see them."""

    def __init__(self, capacity: Capacity | None, configured: Sequence[SizeSettings] = ()) -> None:
        """Offer what is configured; where nothing is, of the built-in table what fits.

        With no capacity known yet all that is configured counts as fitting, and of the built-in
        table only the smallest does.
        """
        offered = _configured(capacity, configured) if configured else _fitting(capacity)
        self._offered = {size.name: size for size in offered}

    @property
    def all(self) -> tuple[Size, ...]:
        """All offered sizes, the disabled ones too."""
        return tuple(self._offered.values())

    @property
    def default(self) -> Size:
        """The first size that can be chosen; where none can, the first."""
        return next((size for size in self.all if not size.disabled_message), self.all[0])

    def get(self, name: str) -> Size:
        """Return the size of that name, to be given to a resource.

        Raises:
            Invalid: it is not offered, and the message names those that are; or it is disabled.
        """
        if name not in self._offered:
            fitting = ", ".join(size.name for size in self.all if not size.disabled_message)
            raise Invalid(
                f"There is no instance size {name!r} here. Choose one of: "
                f"{fitting or '(none fits this machine)'}.",
                code="unknown_size",
            )
        size = self._offered[name]
        if size.disabled_message:
            raise Invalid(size.disabled_message, code="size_disabled")
        return size

    def display(self, name: str) -> str:
        """Return how a size is shown, also one that is no longer offered."""
        size = self._offered.get(name) or _BY_NAME.get(name)
        return name if size is None else size.display


def _configured(capacity: Capacity | None, configured: Iterable[SizeSettings]) -> list[Size]:
    sizes = [Size.configured(setting) for setting in configured]
    return sizes if capacity is None else [size.on(capacity) for size in sizes]


def _fitting(capacity: Capacity | None) -> list[Size]:
    if capacity is None:
        return [_KNOWN[0]]
    fitting = [replace(size, cloud=capacity.cloud) for size in _KNOWN if capacity.holds(size)]
    if not fitting:
        memory = min(_KNOWN[0].memory_bytes, capacity.memory_bytes)
        return [replace(_KNOWN[0], memory_bytes=memory, cloud=capacity.cloud)]
    cores, memory = capacity.whole_cores, capacity.memory_bytes // GIB * GIB
    if (cores, memory) not in {(size.cores, size.memory_bytes) for size in fitting}:
        fitting.append(Size(WHOLE_MACHINE, cores, memory, capacity.cloud))
    return fitting


def _amount(cores: int, memory_bytes: int) -> str:
    memory = f"{memory_bytes / GIB:.1f}".removesuffix(".0")
    return f"{cores} core{'' if cores == 1 else 's'} - {memory} GB RAM"
