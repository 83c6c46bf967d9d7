# ruff: noqa: ASYNC240 - a folder is made and looked at in microseconds
"""Fixtures: a machine of one's own and orders for shims, with nothing left of them afterwards."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from services.provisioner.backends.local.shim import processes, state
from tests.provisioner.backends.local.machine import Machine


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


@pytest.fixture
def order(tmp_path):
    """An order for a pod without namespaces, as ourselves; its shim is gone afterwards."""
    marks = (f"pod-{tmp_path}", f"installation-{tmp_path}")
    yield {
        "directory": str(tmp_path),
        "environment": {
            "PATH": os.defpath,
            "CASSINI_POD": marks[0],
            "CASSINI_INSTALLATION": marks[1],
        },
        "script": "exit 0",
        "home": str(tmp_path),
        "uid": None,
        "gid": None,
        "namespaces": False,
        "mounts": [],
        "groups": [],
        "out_of_memory": None,
        "host": "127.0.0.1",
        "ports": [],
        "grace": 5.0,
        "log_bytes": 1000,
        "log_files": 3,
    }
    if pid := state.holder(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert processes.end_all(lambda: processes.marked(*marks, str(tmp_path / state.LOCK)), 5.0)
