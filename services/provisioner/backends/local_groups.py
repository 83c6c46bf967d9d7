# ruff: noqa: PTH103, PTH106, PTH123 - pathlib would cost the shim a third of its start
"""Control groups of one pod: made and entered by its shim, removed by whoever ends it.

A group is ``(path, {file: value})``; version 1 has one a controller, version 2 one for all.
Standard library only, and few modules of it: the shim's start is part of every start.
"""

from __future__ import annotations

import errno
import os
import time

from services.provisioner.backends import local_processes as processes

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PATIENCE = 1.0


def make(groups: Iterable[tuple[str, Mapping[str, str]]]) -> None:
    """Make the groups and set their limits.

    Raises:
        OSError: the machine offers them no more.
    """
    for path, settings in groups:
        os.makedirs(path, exist_ok=True)
        for name, value in settings.items():
            _write(f"{path}/{name}", value)


def join(paths: Iterable[str], pid: int) -> None:
    """Put a process, and so all it will start, into the groups."""
    for path in paths:
        _write(f"{path}/cgroup.procs", str(pid))


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
    finally:
        os.close(descriptor)
