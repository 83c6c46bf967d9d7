"""What a pod's control groups say it has used; None where it has none that count this.

Version 2 counts processor time in ``cpu.stat`` and memory in ``memory.current``; version 1 in
``cpuacct.usage`` (of the cpuacct groups, which often are the cpu groups too) and in
``memory.usage_in_bytes``. From memory the file cache that nobody used lately is taken off, as
Kubernetes does: it goes when the memory is needed. All calls block: use a thread.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_MICRO, _NANO = 1e-6, 1e-9
_MEMORY = (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file"))


def cpu_seconds(groups: Iterable[str]) -> float | None:
    """Return the processor time of all that ever ran in the groups, in seconds."""
    for group in groups:
        with suppress(OSError, ValueError):
            return int(Path(group, "cpuacct.usage").read_text()) * _NANO
        with suppress(OSError, ValueError, KeyError):
            return _statistics(group, "cpu.stat")["usage_usec"] * _MICRO
    return None


def memory_bytes(groups: Iterable[str]) -> int | None:
    """Return the memory that the groups hold now, without file cache that is not in use."""
    for group in groups:
        for usage, idle_cache in _MEMORY:
            with suppress(OSError, ValueError, KeyError):
                used = int(Path(group, usage).read_text())
                return max(0, used - _statistics(group, "memory.stat")[idle_cache])
    return None


def _statistics(group: str, name: str) -> dict[str, int]:
    lines = Path(group, name).read_text("ascii").splitlines()
    return {word: int(number) for word, _, number in (line.partition(" ") for line in lines)}
