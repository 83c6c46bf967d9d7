"""A backend in memory, for tests of decisions and of faults that cannot be caused otherwise.

Pods do what the test says: by default they come up at once and end at once when asked. It keeps
count of what must never happen (two live pods on one home), and a test may have any call fail
before or after its effect.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cassini.runtime.clock import Clock
from cassini.runtime.log_source import LogLine, LogPage
from services.provisioner.backends.base import (
    Backend,
    BackendDescription,
    EndReason,
    Pod,
    PodEndpoint,
    PodPhase,
    PodUsage,
)
from services.provisioner.plan import PodName, PodPlan

LIVE = frozenset({PodPhase.STARTING, PodPhase.STARTED})

Fault = Callable[[str], None]
"""Called with ``<call> before`` and ``<call> after``; raises to make the call fail there."""


class ScriptedBackend(Backend):
    """Pods as rows of a dictionary."""

    def __init__(self, clock: Clock) -> None:
        self.pods: dict[PodName, Pod] = {}
        self.plans: dict[PodName, PodPlan] = {}
        self.secrets: dict[PodName, Mapping[str, str]] = {}
        self.logs: dict[PodName, list[LogLine]] = {}
        """What each pod has printed: one line when it was made, and what a test adds."""
        self.homes: set[str] = set()
        self.trash: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.created: list[PodName] = []
        """Every pod that was really made, in order."""
        self.doubles: list[tuple[PodName, PodName]] = []
        """Pairs of live pods of one workload and rank: there must be none."""
        self.used: dict[PodName, PodUsage] = {}
        """What a pod is measured to have used; nothing as long as it does not say."""
        self.comes_up = True
        self.ends_when_asked = True
        self.description = BackendDescription("scripted", 2.0, 8 << 30, "none")
        self.fault: Fault = lambda _point: None
        self._clock = clock
        self._hints: asyncio.Queue[str] = asyncio.Queue()

    def change(self, name: PodName, **changes: Any) -> None:
        """Let a pod be seen otherwise, and hint at it."""
        self.pods[name] = replace(self.pods[name], **changes)
        self._hints.put_nowait(name.workload_id)

    def end(
        self, name: PodName, exit_code: int | None, reason: EndReason = EndReason.EXITED
    ) -> None:
        """Let a pod end by itself."""
        self.change(
            name,
            phase=PodPhase.ENDED,
            ready=False,
            finished_at=self._clock.now(),
            exit_code=exit_code,
            reason=reason,
        )

    def live(self) -> list[PodName]:
        """Return the pods that run, in order."""
        return sorted(name for name, pod in self.pods.items() if pod.phase in LIVE)

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def describe(self) -> BackendDescription:
        """Return ``description``."""
        self.fault("describe before")
        return self.description

    async def create(self, plan: PodPlan, secrets: Mapping[str, str]) -> None:
        """Make a pod, unless there is one of that name."""
        name = plan.name
        self._begin("create", str(name))
        if name not in self.pods:
            self.doubles += [
                (other, name)
                for other in self.live()
                if (other.workload_id, other.rank) == (name.workload_id, name.rank)
            ]
            self.created.append(name)
            self.homes.add(name.workload_id)
            self.plans[name], self.secrets[name] = plan, dict(secrets)
            now = self._clock.now()
            self.logs[name] = [LogLine(now, f"{name} begins")]
            pod = Pod(name, plan.declarer, PodPhase.STARTING, created_at=now)
            if self.comes_up:
                ends = tuple(PodEndpoint(port, "127.0.0.1", port) for port in plan.ports)
                pod = replace(
                    pod, phase=PodPhase.STARTED, ready=True, started_at=now, endpoints=ends
                )
            self.pods[name] = pod
        self.fault("create after")

    async def list_pods(self, workload_id: str | None = None) -> Sequence[Pod]:
        """Return all pods, or those of one workload."""
        self._begin("list_pods", workload_id or "")
        return [
            pod
            for name, pod in sorted(self.pods.items())
            if workload_id in {None, name.workload_id}
        ]

    async def terminate(self, name: PodName) -> None:
        """End a pod, if it is there and ends when asked."""
        self._begin("terminate", str(name))
        pod = self.pods.get(name)
        if self.ends_when_asked and pod is not None and pod.phase in LIVE:
            self.end(name, 143, EndReason.STOPPED)
        self.fault("terminate after")

    async def remove(self, name: PodName) -> None:
        """Forget an ended pod.

        Raises:
            ValueError: it still runs.
        """
        self._begin("remove", str(name))
        pod = self.pods.get(name)
        if pod is not None and pod.phase in LIVE:
            raise ValueError(f"{name} still runs")
        self.pods.pop(name, None)
        self.logs.pop(name, None)
        self.fault("remove after")

    async def discard_home(self, workload_id: str) -> None:
        """Move a home to the trash."""
        self._begin("discard_home", workload_id)
        if workload_id in self.homes:
            self.homes.remove(workload_id)
            self.trash.append(workload_id)
        self.fault("discard_home after")

    async def recover_home(self, workload_id: str) -> None:
        """Take a home back from the trash."""
        self._begin("recover_home", workload_id)
        if workload_id in self.trash and workload_id not in self.homes:
            self.trash.remove(workload_id)
            self.homes.add(workload_id)
        self.fault("recover_home after")

    async def read_logs(
        self,
        name: PodName,
        *,
        first: int,
        lines: int,
        unended: bool = False,  # noqa: ARG002 - every line here has its end
    ) -> LogPage | None:
        """Return lines of ``logs``."""
        self._begin("read_logs", str(name))
        if name not in self.pods:
            return None
        log = self.logs.get(name, [])
        first = max(first + len(log), 0) if first < 0 else first
        return LogPage(first, tuple(log[first : first + lines]), len(log))

    async def measure(self) -> Sequence[PodUsage]:
        """Return what the pods that run have used."""
        self._begin("measure", "")
        return [self.used.get(name) or self._unused(name) for name in self.live()]

    async def changes(self) -> AsyncIterator[str]:
        """Yield the ids of workloads whose pods changed."""
        while True:
            yield await self._hints.get()

    def _unused(self, name: PodName) -> PodUsage:
        began_at = self.pods[name].created_at or 0.0
        return PodUsage(
            name, began_at, cpu_seconds=0.0, memory_bytes=0, received_bytes=0, sent_bytes=0
        )

    def _begin(self, call: str, about: str) -> None:
        self.fault(f"{call} before")
        self.calls.append((call, about))
