"""What processes have used, as ``/proc`` shows it: one look at all of them serves every pod.

A process that ended and was waited for is counted with its parent (``cutime``), and as the shim or
the first process of the pod waits for every orphan, nothing is lost with it. Only a parent that
ignores its children (``SIGCHLD`` ignored) makes the kernel forget what they used. All calls block:
use a thread.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.provisioner.backends.local.shim import processes

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES, _REAPED, _RESIDENT = 1, slice(11, 15), slice(13, 15), 21
"""Fields of ``/proc/<pid>/stat`` after the name; ``_TIMES`` has what was reaped in it."""
_SOCKET = "socket:["


@dataclass(frozen=True)
class ProcessTable:
    """All processes at one moment."""

    _stats: dict[int, list[bytes]] = field(default_factory=dict)
    _children: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "ProcessTable":
        """Look at the machine once."""
        stats = {
            pid: found for pid in processes.all_pids() if (found := processes.stat_fields(pid))
        }
        children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, fields in stats.items():
            children[int(fields[_PARENT])].append(pid)
        return cls(stats, dict(children))

    def descendants(self, keeper: int) -> list[int]:
        """Return the processes of the pod that a shim keeps, those that nobody waited for too."""
        found: list[int] = []
        waiting = list(self._children.get(keeper, ()))
        while waiting:
            found.append(pid := waiting.pop())
            waiting += self._children.get(pid, ())
        return found

    def cpu_seconds(self, keeper: int, pids: Iterable[int]) -> float:
        """Return the processor time of a pod: of its processes, and what its shim reaped."""
        ticks = sum(map(int, self._stats[keeper][_REAPED])) if keeper in self._stats else 0
        ticks += sum(int(each) for pid in pids for each in self._stats[pid][_TIMES])
        return ticks / _TICKS_PER_SECOND

    def memory_bytes(self, pids: Iterable[int]) -> int:
        """Return the memory of processes; a page that several share counts once among them.

        Where the kernel does not tell the shares, it counts with each (resident set).
        """
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(
            share if (share := _share(pid)) is not None else int(self._stats[pid][_RESIDENT]) * page
            for pid in pids
        )


def socket_inodes(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets that a process has open."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # gone, or not ours to see
        for entry in os.listdir(folder):  # noqa: PTH208 - read thousands of times a minute
            with suppress(OSError):
                target = os.readlink(f"{folder}/{entry}")  # noqa: PTH115 - as above
                if target.startswith(_SOCKET):
                    yield int(target[len(_SOCKET) : -1])


def _share(pid: int) -> int | None:
    """Return the proportional set of a process: each page divided by those that map it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None
