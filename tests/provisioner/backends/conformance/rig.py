# ruff: noqa: ASYNC110 - facts of other processes have no events to await
"""A place where pods run, as the tests of every backend need it: what they do to it from outside.

The suite speaks to backends through ``Backend`` alone. What only the place
can do (kill what watches over a pod, restart the machine, look for a value everywhere) is here,
once for each backend.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from services.provisioner.backends.base import Backend, Pod, PodPhase
from services.provisioner.plan import HttpProbe, PodName, PodPlan

DEADLINE_SECONDS = 40.0

SERVER = r"""
import os, socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((os.environ.get("CASSINI_LISTEN", "127.0.0.1"), int(os.environ["PORT"])))
server.listen()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.close()
"""
SERVE = 'exec python -I -S -c "$SERVER"'


def ended(pod: Pod) -> bool:
    return pod.phase in {PodPhase.ENDED, PodPhase.LOST}


def started(pod: Pod) -> bool:
    return pod.phase is PodPhase.STARTED


def ready(pod: Pod) -> bool:
    return pod.ready


class Rig(ABC):
    """One place, with an installation and a workload of this test's own."""

    image: str
    missing_image: str

    def __init__(self) -> None:
        self.workload, self.installation = uuid4().hex, uuid4().hex
        self.backends: list[Backend] = []

    @abstractmethod
    def make(self, **options) -> Backend:
        """Return a backend on this place that is not open yet; ``installation_id``, ``clock``."""

    async def backend(self, **options) -> Backend:
        """Return an open backend on this place: each is as another replica's."""
        backend = self.make(**options)
        self.backends.append(backend)
        await backend.open()
        return backend

    def plan(
        self, script: str, *, attempt: int = 1, rank: int = 0, begin: bool = True, **changes
    ) -> PodPlan:
        begun = 'echo "$(date +%s) main begin" >> "$CASSINI_REPORT"\n' if begin else ""
        plan = PodPlan(
            name=PodName(self.workload, 1, rank, attempt),
            declarer="api",
            owner_id="b" * 32,
            image=self.image,
            script=begun + script,
            environment={"SERVER": SERVER},
            secret_variables={},
            cores=1.0,
            memory_bytes=256 * 1024 * 1024,
            ports=(8888,),
            readiness=HttpProbe(8888, "/api/status"),
            grace_seconds=5.0,
        )
        return replace(plan, **changes)

    async def pod(self, backend: Backend, name: PodName, wanted: Callable[[Pod], object]) -> Pod:
        """Wait until a pod is listed as wanted, with a deadline, and return it."""
        seen: object = None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    for pod in await backend.list_pods(name.workload_id):
                        if pod.name == name:
                            seen = pod
                            if wanted(pod):
                                return pod
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"not as wanted in time: {seen}; log: {await self.log(backend, name)}")

    async def run(self, backend: Backend, plan: PodPlan, secrets=None) -> Pod:
        """Make a pod and wait for its end."""
        await backend.create(plan, secrets or {})
        return await self.pod(backend, plan.name, ended)

    async def log(self, backend: Backend, name: PodName) -> str:
        """Return what a pod has printed until now."""
        page = await backend.read_logs(name, first=0, lines=1_000_000)
        return "".join(f"{line.text}\n" for line in page.lines) if page else ""

    async def printed(self, backend: Backend, name: PodName, text: str) -> None:
        """Wait until a pod has printed a text."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while text not in await self.log(backend, name):
                await asyncio.sleep(0.02)

    @abstractmethod
    async def cut_short(self, backend: Backend, plan: PodPlan) -> None:
        """Make a pod as far as a kill between intent and start would leave it."""

    @abstractmethod
    async def touch(self, name: PodName, path: str) -> None:
        """Make a file in the home of a running pod."""

    @abstractmethod
    async def kill_keeper(self, name: PodName) -> None:
        """Kill what watches over a pod, at once."""

    @abstractmethod
    async def ask_to_end(self, name: PodName) -> None:
        """Ask a pod to end as somebody else than the backend does."""

    @abstractmethod
    async def reboot(self, monkeypatch) -> None:
        """Make it so that the pods of this test went down with the machine."""

    @abstractmethod
    async def living(self, name: PodName) -> int:
        """Return how many processes of a pod are there, however they hid."""

    @abstractmethod
    async def remains(self) -> list[str]:
        """Return what there is of the workload's pods beside its home."""

    @abstractmethod
    async def finds(self, planted: bytes, name: PodName) -> list[str]:
        """Return where a value is found outside a pod's own processes."""

    @abstractmethod
    async def clean(self) -> None:
        """Remove all that the test made."""
