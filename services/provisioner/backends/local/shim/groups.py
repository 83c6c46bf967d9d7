# ruff: noqa: PTH103, PTH106, PTH110, PTH123 - pathlib would cost the shim a third of its start
"""Control groups of one pod: made by its shim, entered by its child, removed by whoever ends it.

A group is ``(path, {file: value})``; version 1 has one a controller, version 2 one for all.
Everything the pod starts is born into the groups of what started it.
"""

from __future__ import annotations

import errno
import os
import time

from . import processes

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATIENCE = 1.0
_THREADS = "tasks"
"""A file that version 1 groups have; the threaded groups of version 2 are not these."""


def make(groups: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """Make the groups and set their limits.

    Raises:
        OSError: the machine offers them no more.
    """
    for path, settings in groups:
        os.makedirs(path, exist_ok=True)
        for name, value in settings.items():
            _write(f"{path}/{name}", value)


def enter(paths: Iterable[str]) -> None:
    """Put this process itself into its version 1 groups; it must have one thread only.

    A thread that moves itself, and nothing else, need not wait for all forks and exits of the
    machine to pause: it takes microseconds where ``join`` takes 10 to 20 ms.
    """
    for path in paths:
        if _takes_threads(path):
            _write(f"{path}/{_THREADS}", "0")


def join(paths: Iterable[str], pid: int) -> None:
    """Put a process into its version 2 groups, which take whole processes only."""
    for path in paths:
        if not _takes_threads(path):
            _write(f"{path}/cgroup.procs", str(pid))


def _takes_threads(path: str) -> bool:
    return os.path.exists(f"{path}/{_THREADS}")


def members(paths: Iterable[str]) -> dict[int, int]:
    """Return the living processes in the groups: pid -> start time."""
    found: dict[int, int] = {}
    for path in paths:
        try:
            with open(f"{path}/cgroup.procs", encoding="ascii") as lines:
                pids = [int(line) for line in lines]
        except OSError:
            continue  # no such group any more
        for pid in pids:
            if start := processes.start_ticks(pid):
                found[pid] = start
    return found


def out_of_memory_kills(path: str | None) -> int:
    """Return how many processes the kernel ended for want of memory (from an events file)."""
    if path is None:
        return 0
    try:
        with open(path, encoding="ascii") as lines:
            counts = dict(line.split() for line in lines)
    except (OSError, ValueError):
        return 0
    return int(counts.get("oom_kill", 0))


def remove(paths: Iterable[str]) -> None:
    """Remove the groups; those that are in use are left to the next who tries."""
    for path in paths:
        deadline = time.monotonic() + _PATIENCE
        while _busy(path) and time.monotonic() < deadline:
            time.sleep(0.005)


def _busy(path: str) -> bool:
    try:
        os.rmdir(path)
    except OSError as error:
        return error.errno == errno.EBUSY  # the last process is not quite gone yet
    return False


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    except OSError as error:  # the kernel's refusal does not tell of which file
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(descriptor)
