# ruff: noqa: ASYNC110, ASYNC222, ASYNC240 - facts of other processes have no events to await
"""A data directory, plans and backends for tests of the local backend, with nothing left after."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.provisioner.backends import local_processes as processes
from services.provisioner.backends import local_state as state
from services.provisioner.backends.base import Pod
from services.provisioner.backends.local import LocalBackend
from services.provisioner.backends.local_places import Places
from services.provisioner.plan import HttpProbe, PodName, PodPlan

WORKLOAD = "a" * 32
INSTALLATION = "test-installation"
DEADLINE_SECONDS = 20.0

SERVER = r"""
import os, socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(os.environ["PORT"])))
server.listen()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.close()
"""


def _open_python() -> str:
    """Return an interpreter that any user of this machine may run."""
    for candidate in (sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        path = Path(candidate)
        if path.exists() and all(parent.stat().st_mode & 1 for parent in path.resolve().parents):
            return candidate
    return ""


class Machine:
    """One data directory with backends on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.places = Places(data, time.time)
        self.image = data / "images" / "digest"
        self.backends: list[LocalBackend] = []
        (self.image / "bin").mkdir(parents=True)
        (self.image / "bin" / "python").symlink_to(sys._base_executable)
        home = Path(sys._base_executable).parent
        (self.image / "pyvenv.cfg").write_text(f"home = {home}\n")

    async def backend(self, **options) -> LocalBackend:
        backend = LocalBackend(
            data=self.data, **{"installation_id": INSTALLATION, "limits": "none", **options}
        )
        self.backends.append(backend)
        await backend.open()
        return backend

    def plan(self, script: str, *, attempt: int = 1, begin: bool = True, **changes) -> PodPlan:
        started = 'echo "$(date +%s) main begin" >> "$CASSINI_REPORT"\n' if begin else ""
        plan = PodPlan(
            name=PodName(WORKLOAD, 1, 0, attempt),
            declarer="api",
            owner_id="b" * 32,
            image=str(self.image),
            script=started + script,
            environment={"SERVER": SERVER, "OPEN_PYTHON": _open_python()},
            secret_variables={},
            cores=1.0,
            memory_bytes=512 * 1024 * 1024,
            ports=(8888,),
            readiness=HttpProbe(8888, "/api/status"),
            grace_seconds=5.0,
        )
        return replace(plan, **changes)

    def serve(self, isolation: str) -> str:
        """Return the line of a script that starts a tiny server."""
        if isolation == "namespaces" or os.geteuid() != 0:
            return 'exec python -I -S -c "$SERVER"'
        if not _open_python():
            pytest.skip("no Python here that another user may run")
        return 'exec "$OPEN_PYTHON" -I -S -c "$SERVER"'

    def shim(self, name: PodName) -> int:
        """Return the pid of the shim of a pod."""
        pid = state.holder(str(self.places.attempt(name)))
        assert pid is not None
        return pid

    def left(self, name: PodName) -> dict[int, int]:
        """Return the living processes of a pod, however they hid, but for its shim."""
        shim = state.holder(str(self.places.attempt(name)))
        lock = str(self.places.attempt(name) / state.LOCK)
        found = processes.marked(str(name), INSTALLATION, lock)
        return {pid: start for pid, start in found.items() if pid != shim}

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait for a fact, with a deadline."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not fact():
                await asyncio.sleep(0.01)

    async def pod(
        self, backend: LocalBackend, name: PodName, wanted: Callable[[Pod], object]
    ) -> Pod:
        """Wait until a pod is listed as wanted, with a deadline, and return it."""
        seen: object = None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    for pod in await backend.list_pods(name.workload_id):
                        seen = pod
                        if pod.name == name and wanted(pod):
                            return pod
                    await asyncio.sleep(0.01)
        except TimeoutError:
            logs = await backend.read_logs(name, previous=False, lines=20)
            pytest.fail(f"not as wanted in time: {seen}; its log: {logs}")

    async def clean(self) -> None:
        for backend in self.backends:
            await backend.close()
        for name in self.places.names():
            if pid := state.holder(str(self.places.attempt(name))):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            assert processes.end_all(lambda name=name: self.left(name), 5.0)
            shutil.rmtree(f"/dev/shm/cassini-{name}", ignore_errors=True)
        shutil.rmtree(self.data)


@pytest.fixture
async def machine():
    # Not tmp_path: other users, whom root's pods run as, cannot traverse that one.
    data = Path(tempfile.mkdtemp(prefix="cassini-test-"))
    data.chmod(0o755)
    machine = Machine(data)
    yield machine
    await machine.clean()


@pytest.fixture(params=["namespaces", "none"])
async def isolated(request, machine):
    """A backend in each way of isolation: (backend, the way)."""
    backend = await machine.backend(isolation="best" if request.param == "namespaces" else "none")
    if (await backend.describe()).isolation != request.param:
        pytest.skip("this machine does not allow namespaces")
    return backend, request.param
