# ruff: noqa: ASYNC110, ASYNC222 - facts of other processes have no events to await
"""A data directory with plans and backends on it, and what is said of their pods."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.provisioner.backends.base import Pod, PodPhase
from services.provisioner.backends.local import LocalBackend
from services.provisioner.backends.local.limits import NoLimits, find_limits
from services.provisioner.backends.local.log_files import read_log
from services.provisioner.backends.local.places import Places
from services.provisioner.backends.local.shim import groups, processes, state
from services.provisioner.backends.local.start import spawn
from services.provisioner.plan import HttpProbe, PodName, PodPlan

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


def ended(pod: Pod) -> bool:
    return pod.phase in {PodPhase.ENDED, PodPhase.LOST}


def started(pod: Pod) -> bool:
    return pod.phase is PodPhase.STARTED


def _open_python() -> str:
    """Return an interpreter that any user of this machine may run."""
    for candidate in (sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        path = Path(candidate)
        if path.exists() and all(parent.stat().st_mode & 1 for parent in path.resolve().parents):
            return candidate
    return ""


def until(fact):
    """Wait for a fact, with a deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ran(order):
    """Run a shim to its end; return how the pod ended."""
    os.waitpid(spawn(order, "test"), 0)
    return json.loads((Path(order["directory"]) / state.END).read_text())


def printed(attempt: Path) -> str:
    """Return what a pod has printed until now, without the times."""
    page = read_log(attempt, first=0, lines=1_000_000, unended=False)
    return "".join(f"{line.text}\n" for line in page.lines) if page else ""


class Machine:
    """One data directory with backends on it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        # Tests run beside each other, and processes and memory are the machine's.
        self.workload, self.installation = uuid4().hex, f"test-{uuid4().hex}"
        self.places = Places(data, time.time)
        self.image = data / "images" / "digest"
        self.backends: list[LocalBackend] = []
        (self.image / "bin").mkdir(parents=True)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        (self.image / "lib" / version / "site-packages").mkdir(parents=True)
        (self.image / "bin" / "python").symlink_to(sys._base_executable)
        home = Path(sys._base_executable).parent
        (self.image / "pyvenv.cfg").write_text(f"home = {home}\n")

    async def backend(self, **options) -> LocalBackend:
        usual = {"data": self.data, "installation_id": self.installation, "limits": "none"}
        backend = LocalBackend(**{**usual, **options})
        self.backends.append(backend)
        await backend.open()
        return backend

    def plan(self, script: str, *, attempt: int = 1, begin: bool = True, **changes) -> PodPlan:
        started = 'echo "$(date +%s) main begin" >> "$CASSINI_REPORT"\n' if begin else ""
        plan = PodPlan(
            name=PodName(self.workload, 1, 0, attempt),
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
        return self.python(isolation, "SERVER")

    def python(self, isolation: str, variable: str) -> str:
        """Return the line of a script that becomes the Python program in a variable."""
        if isolation == "namespaces" or os.geteuid() != 0:
            return f'exec python -I -S -c "${variable}"'
        if not _open_python():
            pytest.skip("no Python here that another user may run")
        return f'exec "$OPEN_PYTHON" -I -S -c "${variable}"'

    def shim(self, name: PodName) -> int:
        """Return the pid of the shim of a pod."""
        pid = state.holder(str(self.places.attempt(name)))
        assert pid is not None
        return pid

    def left(self, name: PodName) -> dict[int, int]:
        """Return the living processes of a pod, however they hid, but for its shim."""
        shim = state.holder(str(self.places.attempt(name)))
        lock = str(self.places.attempt(name) / state.LOCK)
        found = processes.marked(str(name), self.installation, lock)
        return {pid: start for pid, start in found.items() if pid != shim}

    def log(self, name: PodName) -> str:
        """Return what a pod has printed until now."""
        return printed(self.places.attempt(name))

    def intent(self, name: PodName) -> dict[str, Any]:
        """Return what was put down before a pod was started."""
        return json.loads((self.places.attempt(name) / state.INTENT).read_text())

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
            pytest.fail(f"not as wanted in time: {seen}; its log: {self.log(name)}")

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
        with suppress(NoLimits):
            for folder in set(find_limits(self.installation).folders.values()):
                groups.remove(str(group) for group in folder.iterdir() if group.is_dir())
                folder.rmdir()
        shutil.rmtree(self.data)
