"""A backend that is killed at any point of ``create`` leaves what the next one can complete."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[4]


CRASHER = """
import asyncio, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from services.provisioner.backends.local import backend as local, start
from services.provisioner.plan import PodName, PodPlan

data, point, script = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
def die(*_, **__):
    os.kill(0, signal.SIGKILL)
spawn, put_down = local.spawn, local.Intent.write
def spawn_and_die(*arguments):
    spawn(*arguments)
    die()
def put_down_and_die(*arguments):
    put_down(*arguments)
    die()
def arm():
    if point == "before the intent":
        local.Intent.write = die
    elif point == "after the intent":
        local.Intent.write = put_down_and_die
    elif point == "before the shim is told":
        start.marshal = SimpleNamespace(dumps=die)
    elif point == "after the spawn":
        local.spawn = spawn_and_die
async def main():
    backend = local.LocalBackend(data=data, installation_id=sys.argv[4], limits="none")
    await backend.open()
    arm()
    plan = PodPlan(name=PodName(sys.argv[5], 1, 0, 1), declarer="api", owner_id="b" * 32,
        image=str(data / "images" / "digest"), script=script, environment={}, secret_variables={},
        cores=1.0, memory_bytes=10**9, ports=(8888,), readiness=None, grace_seconds=1.0)
    await backend.create(plan, {})
    die()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "point",
    [
        "before the intent",
        "after the intent",
        "before the shim is told",
        "after the spawn",
        "after the create",
    ],
)
async def test_a_backend_killed_while_it_creates_leaves_one_pod_after_the_next(machine, point):
    plan = machine.plan('echo x >> "$HOME/starts"; sleep 1000', readiness=None)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", CRASHER, str(machine.data), point, plan.script),
        *(machine.installation, machine.workload),
        cwd=PROJECT,
        start_new_session=True,
    )
    assert await process.wait() == -signal.SIGKILL
    backend = await machine.backend()
    before = await backend.list_pods()
    assert len(before) == (0 if point == "before the intent" else 1)
    if point == "after the intent":
        assert not before[0].begun
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, lambda pod: pod.ready)
    starts = machine.places.home(plan.name.workload_id) / "starts"
    await machine.until(lambda: starts.exists() and starts.read_text())
    assert starts.read_text() == "x\n"
    assert len(await backend.list_pods()) == 1
