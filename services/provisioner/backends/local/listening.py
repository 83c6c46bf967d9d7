"""Who listens on a port of this machine, as the kernel's tables show it. All calls block."""

import os
from pathlib import Path

from services.provisioner.backends.local.shim import processes

_LISTEN = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def listeners(port: int) -> list[tuple[int, str]]:
    """Return who listens on a TCP port of this machine: (uid, socket inode)."""
    found = []
    for table in _TABLES:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except FileNotFoundError:  # a machine without IPv6
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.append((int(fields[7]), fields[9]))
    return found


def listens(pid: int, port: int) -> bool:
    """Tell whether a listener of the port belongs to a descendant of a process.

    Where the kernel does not show us open files, the user decides.
    """
    found = listeners(port)
    sockets = {f"socket:[{inode}]" for _, inode in found}
    users = {uid for uid, _ in found}
    return any(_has(Path(f"/proc/{child}"), sockets, users) for child in processes.descendants(pid))


def _has(process: Path, sockets: set[str], users: set[int]) -> bool:
    try:
        if process.stat().st_uid not in users:
            return False
        return any(_link(entry) in sockets for entry in (process / "fd").iterdir())
    except PermissionError:
        return True
    except OSError:
        return False  # gone


def _link(path: Path) -> str:
    try:
        return os.fspath(path.readlink())
    except OSError:
        return ""
