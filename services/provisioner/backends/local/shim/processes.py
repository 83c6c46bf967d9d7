# ruff: noqa: PTH115, PTH208 - pathlib would cost the shim a third of its start
"""Processes as ``/proc`` shows them: whose they are, and ending them.

A pid alone is never signalled: it may have been reused. A process is held by a pidfd first, then
looked at, then signalled through the pidfd, so that what was looked at is what gets the signal.
"""

from __future__ import annotations

import _socket  # socket itself would cost the shim 4 ms, reading the kernel's tables 8 ms
import os
import time

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable
else:
    import _signal as signal  # signal itself would bring enum: 5 ms

POD_MARK = "CASSINI_POD"
INSTALLATION_MARK = "CASSINI_INSTALLATION"
_EMPTY_LOOKS = 2


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def all_pids() -> Iterable[int]:
    """Return the processes that the machine has now."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def stat_fields(pid: int) -> list[bytes] | None:
    """Return what ``/proc/<pid>/stat`` says after the name, None if the process is gone."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None


def _parent_and_start(pid: int) -> tuple[int, int] | None:
    """Return parent and start time (ticks since boot), None for what is gone or a zombie."""
    fields = stat_fields(pid)
    if fields is None:
        return None
    if fields[0] in b"ZX" and int(fields[17]) < 2:  # noqa: PLR2004 - no thread of it lives on
        return None
    return int(fields[1]), int(fields[19])


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks since boot; with the pid it names the process."""
    found = _parent_and_start(pid)
    return found[1] if found else None


def descendants(root: int) -> dict[int, int]:
    """Return the living descendants of a process: pid -> start time."""
    table = {pid: found for pid in all_pids() if (found := _parent_and_start(pid))}
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    result: dict[int, int] = {}
    pending = list(children.get(root, ()))
    while pending:
        pid = pending.pop()
        result[pid] = table[pid][1]
        pending += children.get(pid, ())
    return result


def marked(pod: str, installation: str, lock: str) -> dict[int, int]:
    """Return the processes that carry a pod's marks in their environment or hold its lock file."""
    marks = {f"{POD_MARK}={pod}".encode(), f"{INSTALLATION_MARK}={installation}".encode()}
    return {
        pid: start
        for pid in all_pids()
        if pid != os.getpid() and (start := start_ticks(pid)) and _is_marked(pid, marks, lock)
    }


def _is_marked(pid: int, marks: set[bytes], lock: str) -> bool:
    try:
        if marks <= set(_read(f"/proc/{pid}/environ").split(b"\0")):
            return True
        folder = f"/proc/{pid}/fd"
        return any(_link(f"{folder}/{entry}") == lock for entry in os.listdir(folder))
    except OSError:
        return False  # gone, or of a user that cannot be ours


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def send(pid: int, number: int, is_same: Callable[[], bool]) -> bool:
    """Signal a process if it is still the same one; False if it is gone."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not is_same():
            return False
        signal.pidfd_send_signal(held, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True


def _started(pid: int, start: int) -> Callable[[], bool]:
    return lambda: start_ticks(pid) == start


def end_all(find: Callable[[], dict[int, int]], patience: float) -> bool:
    """Kill all that ``find`` finds until it finds nothing; False if that takes too long.

    All are halted before they are killed, so that none can start another meanwhile; and nothing
    must be found twice, as one look can miss a process whose parent ends under it.
    ``patience`` is in seconds.
    """
    deadline = time.monotonic() + patience
    empty = 0
    while empty < _EMPTY_LOOKS:
        found = find()
        empty = 0 if found else empty + 1
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid, start in found.items():
                send(pid, number, _started(pid, start))
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        server.bind((host, port))
    except OSError:
        return False
    finally:
        server.close()
    return True
