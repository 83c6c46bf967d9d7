# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH120, PTH123 - pathlib would cost the shim a third of its start
"""A root of its own for a pod: user, mount and PID namespaces, by system calls.

The shim enters a new user namespace (when not root) and asks for a new PID namespace; the child
it forks then is PID 1 there, makes a mount namespace, and builds the pod's view of the files.

Mounts come as (kind, source, target), parents before children. All sources are opened before the
first mount hides anything, and bound through their descriptors: a source may lie under a
directory that is hidden by then, or that the pod's user could not traverse.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # signal itself would bring enum: 5 ms

HIDE = "hide"
"""An empty read-only directory lies over the target."""
MEMORY = "memory"
"""A directory in memory lies over the target; the source is its mount options."""
BIND = "bind"
READ_ONLY = "read-only"

ACCOUNTS = "/home/.accounts"
"""Where the pod's ``passwd`` and ``group`` are made, in the memory that covers ``/home``."""

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_NOATIME, _MS_NODIRATIME, _MS_BIND, _MS_REC = 1024, 2048, 4096, 16384
_MS_PRIVATE, _MS_RELATIME = 1 << 18, 1 << 21
_SAME_FLAGS = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOATIME | _MS_NODIRATIME
_ST_RELATIME = 4096
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = [os.fsencode(text) for text in (source, target, kind)]
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options))
    _check(result, f"mount {target}")


def adopt_orphans() -> None:
    """Make this process the parent of all its descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have this process killed when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def separate(*, user: bool) -> None:
    """Let the next child be PID 1 of its own namespace; ``user``: in a user namespace of ours.

    Raises:
        OSError: the machine does not allow it.
    """
    if user:
        uid, gid = os.getuid(), os.getgid()
        _check(_libc.unshare(_CLONE_NEWUSER), "user namespace")
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(content)
    _check(_libc.unshare(_CLONE_NEWPID), "PID namespace")


def give_up_privileges(uid: int | None, gid: int | None) -> None:
    """Become the pod's user (None: stay) without any capability, for good."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # past the last one this kernel knows, or we have none to drop
    if uid is not None and gid is not None:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def build_root(mounts: list[tuple[str, str, str]], uid: int, gid: int) -> None:
    """Give this process a view of the files of its own.

    Raises:
        OSError: a source is missing, or the machine does not allow a mount.
    """
    os.umask(0o022)
    _check(_libc.unshare(_CLONE_NEWNS), "mount namespace")
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    opened = [
        os.open(source, os.O_PATH | os.O_CLOEXEC) if kind in {BIND, READ_ONLY} else -1
        for kind, source, _ in mounts
    ]
    for (kind, source, target), descriptor in zip(mounts, opened, strict=True):
        if kind in {HIDE, MEMORY}:
            os.makedirs(target, exist_ok=True)
            options = "mode=0755" if kind == HIDE else source
            _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
        else:
            _bind(descriptor, target, read_only=kind == READ_ONLY)
            os.close(descriptor)
    _write_accounts(uid, gid)
    for kind, _, target in mounts:
        if kind == HIDE:
            _mount("none", target, "", _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _bind(descriptor: int, target: str, *, read_only: bool) -> None:
    if os.path.isdir(descriptor):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o600))
    _mount(f"/proc/self/fd/{descriptor}", target, "", _MS_BIND | _MS_REC)
    if read_only:
        # Flags that came with the source are locked in a user namespace: they must be repeated.
        found = os.statvfs(target).f_flag
        flags = found & _SAME_FLAGS | (_MS_RELATIME if found & _ST_RELATIME else 0)
        _mount("none", target, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY | flags)


def _write_accounts(uid: int, gid: int) -> None:
    """Name the pod's user ``jovyan``, so that ssh, git and ``~`` work for it."""
    os.mkdir(ACCOUNTS)
    for name, number, ours in (
        ("passwd", uid, f"jovyan:x:{uid}:{gid}:jovyan:/home/jovyan:/bin/bash"),
        ("group", gid, f"jovyan:x:{gid}:"),
    ):
        with open(f"/etc/{name}", encoding="utf-8", errors="replace") as file:
            lines = [
                line
                for line in file.read().splitlines()
                if not line.startswith("jovyan:") and line.split(":")[2:3] != [str(number)]
            ]
        path = f"{ACCOUNTS}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ours, ""]))
        _mount(path, f"/etc/{name}", "", _MS_BIND)
