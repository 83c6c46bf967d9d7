"""What the pods of this machine have used: processor time, memory, and bytes over the network.

Processor time and memory come from a pod's control groups where it has them, else from its
processes. All pods share this machine's network, so there is no interface to ask: what counts are
the TCP connections that a pod's processes have open, those over loopback (the browser's to
JupyterLab) as any other. Whose a connection is shows only while it is open, so between two looks
these are missed: a connection that opens and closes, and what another carried after the last look
before its end. UDP is not counted at all.

The network counts stand in this process, so a platform that starts again counts from zero; a
reader takes a count that went down for one that began anew. One look asks the kernel once for all
connections and goes over ``/proc`` once for all pods. All calls block: use a thread.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.provisioner.backends.base import PodUsage
from services.provisioner.backends.local import group_usage
from services.provisioner.backends.local.attempt import Attempt
from services.provisioner.backends.local.process_usage import ProcessTable, socket_inodes
from services.provisioner.backends.local.sockets import Carried, connections
from services.provisioner.plan import PodName

_NOTHING = Carried(0, 0)


@dataclass
class _Counts:
    """What one pod has come to."""

    cpu_seconds: float = 0.0
    received: int = 0
    sent: int = 0


class Usage:
    """Measures the pods of one backend and remembers how far it has counted.

    ``since`` (Unix seconds) is when it began to look: of pods that are older, what their
    connections carried before the first look is not counted.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._counts: dict[PodName, _Counts] = {}
        self._connections: dict[int, Carried] = {}
        """Those of pods, as they were at the last look."""
        self._one_at_a_time = threading.Lock()

    def measure(self, attempts: Sequence[Attempt]) -> list[PodUsage]:
        """Return what each attempt that lives has used until now."""
        with self._one_at_a_time:
            keepers = {a.name: a.keeper for a in attempts if a.alive and a.keeper is not None}
            known = self._counts.keys() & keepers.keys()
            self._counts = {name: self._counts.get(name, _Counts()) for name in keepers}
            if not keepers:
                self._connections = {}
                return []
            alive = [each for each in attempts if each.name in keepers]
            # Before the processes: whoever has one of these open is among those seen after it.
            carried = _connections()
            table = ProcessTable.read()
            pids = {name: table.descendants(keeper) for name, keeper in keepers.items()}
            if carried is not None:
                young = {each.name for each in alive if each.intent.created_at >= self._since}
                self._count(carried, pids, known | young)
            for each in alive:
                self._count_cpu(each, table.cpu_seconds(keepers[each.name], pids[each.name]))
            networked = carried is not None
            return [self._usage(each, table, pids[each.name], networked) for each in alive]

    def _count(
        self,
        carried: Mapping[int, Carried],
        pids: Mapping[PodName, Sequence[int]],
        from_birth: set[PodName],
    ) -> None:
        """Add what connections carried since the last look; new ones of ``from_birth`` whole."""
        seen: dict[int, Carried] = {}
        for name, processes in pids.items():
            counts = self._counts[name]
            for inode in {inode for pid in processes for inode in socket_inodes(pid)}:
                now = carried.get(inode)
                if now is None or inode in seen:
                    continue
                seen[inode] = now
                before = self._connections.get(inode, _NOTHING if name in from_birth else now)
                if before.received > now.received or before.sent > now.sent:
                    before = _NOTHING  # another connection has this inode now
                counts.received += now.received - before.received
                counts.sent += now.sent - before.sent
        self._connections = seen

    def _count_cpu(self, attempt: Attempt, of_processes: float) -> None:
        of_groups = group_usage.cpu_seconds(attempt.intent.groups)
        counts = self._counts[attempt.name]
        # What the kernel forgot of a process is not taken back from what was told of it.
        counts.cpu_seconds = max(
            counts.cpu_seconds, of_processes if of_groups is None else of_groups
        )

    def _usage(
        self, attempt: Attempt, table: ProcessTable, pids: Sequence[int], networked: bool
    ) -> PodUsage:
        counts = self._counts[attempt.name]
        memory = group_usage.memory_bytes(attempt.intent.groups)
        return PodUsage(
            name=attempt.name,
            began_at=attempt.intent.created_at,
            cpu_seconds=counts.cpu_seconds,
            memory_bytes=table.memory_bytes(pids) if memory is None else memory,
            received_bytes=counts.received if networked else None,
            sent_bytes=counts.sent if networked else None,
        )


def _connections() -> dict[int, Carried] | None:
    try:
        return connections()
    except OSError:
        return None
