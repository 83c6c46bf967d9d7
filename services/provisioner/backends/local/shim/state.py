# ruff: noqa: PTH105, PTH108, PTH120 - pathlib would cost the shim a third of its start
"""The files of one attempt that shim and backend share, and the lock that says who keeps it.

An attempt's directory holds ``pod.json`` (the intent, written before anything is started),
``lock``, ``shim.json`` (who keeps it), ``stop`` (a wish to end, one word: the reason), ``end.json``
(how it ended), the files ``log.<line>`` (``log.py``) and ``inside/`` (what the pod itself may
write: its report, its ``/tmp``).

The lock is a POSIX record lock: it lives exactly as long as the shim, no child inherits it, and
others can ask who holds it without taking it, so that looking never disturbs a starting shim.
"""

from __future__ import annotations

import fcntl
import os
import struct

INTENT = "pod.json"
LOCK = "lock"
KEEPER = "shim.json"
STOP = "stop"
END = "end.json"
LOG = "log"
INSIDE = "inside"
REPORT = "report"

_FLOCK = "hhqqi4x"
"""``struct flock`` of Linux on 64 bits: type, whence, start, length, holder."""


def write_atomic(path: str, content: str, *, durable: bool = True, exclusive: bool = False) -> None:
    """Write a file in one step; ``durable`` also survives a loss of power.

    Raises:
        FileExistsError: it was to be ``exclusive``, and there is one.
        OSError: the disk is full or the directory is gone.
    """
    temporary = f"{path}.{os.urandom(6).hex()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content.encode())
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if exclusive:
        try:
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
    else:
        os.replace(temporary, path)
    if durable:
        directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def hold(directory: str) -> bool:
    """Take the attempt's lock for the life of this process; False if another has it.

    Raises:
        FileNotFoundError: the attempt was removed meanwhile.
    """
    # The descriptor is never closed: closing any descriptor of the file would release the lock.
    descriptor = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder(directory: str) -> int | None:
    """Return the process that holds the attempt's lock, without touching the lock."""
    try:
        descriptor = os.open(f"{directory}/{LOCK}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
    finally:
        os.close(descriptor)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else int(pid)


def read_word(path: str) -> str | None:
    """Return the short text of a file, None if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, 200).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return read_word("/proc/sys/kernel/random/boot_id") or ""
