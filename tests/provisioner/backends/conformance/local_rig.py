# ruff: noqa: ASYNC222, ASYNC240 - tests look at files and processes between, for microseconds
"""Pods as processes of this machine."""

import json
import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from cassini.runtime.errors import BackendError
from services.provisioner.backends.local import LocalBackend
from services.provisioner.backends.local import backend as backend_module
from services.provisioner.backends.local.shim import state
from tests.provisioner.backends.conformance.rig import Rig
from tests.provisioner.backends.local.machine import Machine


class LocalRig(Rig):
    """A data directory of its own."""

    def __init__(self, isolation: str, limits: str = "none") -> None:
        super().__init__()
        self._options = {
            "isolation": "best" if isolation == "namespaces" else "none",
            "limits": limits,
        }
        self._wanted = isolation
        # Not tmp_path: other users, whom root's pods run as, cannot traverse that one.
        data = Path(tempfile.mkdtemp(prefix="cassini-test-"))
        data.chmod(0o755)
        self._machine = Machine(data)
        self._machine.workload = self.workload
        self._machine.installation = self.installation
        self.image = str(self._machine.image)
        self.missing_image = str(data / "images" / "missing")

    def make(self, **options) -> LocalBackend:
        usual = {"data": self._machine.data, "installation_id": self.installation}
        return LocalBackend(**{**usual, **self._options, **options})

    async def backend(self, **options):
        backend = await super().backend(**options)
        if (await backend.describe()).isolation != self._wanted:
            pytest.skip("this machine does not allow namespaces")
        return backend

    def plan(self, script, **changes):
        if self._wanted == "none":  # root's pods run as users who may not run every Python
            script = script.replace('exec python -I -S -c "$SERVER"', self._machine.serve("none"))
        plan = super().plan(script, **changes)
        plan.environment["OPEN_PYTHON"] = self._machine.plan("").environment["OPEN_PYTHON"]
        return plan

    async def cut_short(self, backend, plan):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(backend_module, "spawn", _fails)
            with pytest.raises(BackendError):
                await backend.create(plan, {})

    async def touch(self, name, path):
        (self._machine.places.home(name.workload_id) / path).touch()

    async def kill_keeper(self, name):
        os.kill(self._machine.shim(name), signal.SIGKILL)

    async def ask_to_end(self, name):
        os.kill(self._machine.shim(name), signal.SIGTERM)

    async def reboot(self, monkeypatch):
        for backend in self.backends:
            await backend.close()
        for name in self._machine.places.names():
            shim = self._machine.shim(name)
            os.kill(shim, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(shim, 0)
            await self._machine.until(lambda name=name: not self._machine.left(name))
            folder = self._machine.places.attempt(name)
            intent = {**self._machine.intent(name), "boot": "an earlier one"}
            (folder / state.INTENT).write_text(json.dumps(intent))

    async def living(self, name):
        return len(self._machine.left(name))

    async def remains(self):
        memory = Path("/dev/shm").glob(f"cassini-{self.workload}-*")
        return [str(path) for path in (*self._machine.places.workloads.iterdir(), *memory)]

    async def finds(self, planted, name):
        shim = Path(f"/proc/{self._machine.shim(name)}")
        places = [path for path in self._machine.data.rglob("*") if path.is_file()]
        places += [shim / each for each in ("cmdline", "environ")]
        places += [Path(f"/proc/{pid}/cmdline") for pid in self._machine.left(name)]
        return [str(path) for path in places if planted in path.read_bytes()]

    async def clean(self):
        for backend in self.backends:
            await backend.close()
        await self._machine.clean()


def _fails(*_):
    raise OSError(12, "no memory")
