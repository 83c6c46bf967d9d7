# ruff: noqa: ASYNC222 - tests look at files and processes between, for microseconds
"""How pods end: asked to, by force, by the loss of their shim or of the machine."""

import asyncio
import json
import os
import signal

from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.backends.local.shim import state
from tests.provisioner.backends.local.machine import ended, started

STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; while :; do sleep 1000; done' &
(setsid sh -c '(sleep 1000 &) ; exec sleep 1000' &)
echo up
while :; do sleep 0.05; done
"""


async def test_a_stopped_pod_leaves_no_process_though_all_ignore_the_request(machine, isolated):
    backend, _ = isolated
    plan = machine.plan(STUBBORN, grace_seconds=0.2)
    await backend.create(plan, {})
    await machine.until(lambda: "up" in machine.log(plan.name))
    await backend.terminate(plan.name)
    await backend.terminate(plan.name)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.exit_code, pod.reason) == (PodPhase.ENDED, 137, EndReason.STOPPED)
    assert machine.left(plan.name) == {}


async def test_a_stopped_pod_may_end_by_itself_within_its_grace(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    await backend.create(plan, {})
    await machine.until(lambda: "up" in machine.log(plan.name))
    await backend.terminate(plan.name)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (0, EndReason.STOPPED)
    assert "bye" in machine.log(plan.name)


async def test_a_killed_shim_is_a_lost_pod_of_which_nothing_is_left(machine, isolated):
    backend, _ = isolated
    plan = machine.plan(STUBBORN)
    await backend.create(plan, {})
    await machine.until(lambda: "up" in machine.log(plan.name))
    assert machine.left(plan.name)
    os.kill(machine.shim(plan.name), signal.SIGKILL)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.KEEPER_KILLED)
    assert machine.left(plan.name) == {}
    await backend.create(plan, {})
    [pod] = await backend.list_pods()
    assert pod.phase is PodPhase.LOST


async def test_a_shim_ended_by_somebody_else_is_not_a_wanted_stop(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    os.kill(machine.shim(plan.name), signal.SIGTERM)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.KEEPER_KILLED)


async def test_a_restart_of_the_machine_is_seen_and_no_reused_pid_is_touched(machine):
    backend = await machine.backend()
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    await backend.close()
    shim = machine.shim(plan.name)
    os.kill(shim, signal.SIGKILL)
    os.waitpid(shim, 0)
    await machine.until(lambda: not machine.left(plan.name))
    folder = machine.places.attempt(plan.name)
    innocent = await asyncio.create_subprocess_exec("sleep", "1000")
    try:
        (folder / state.KEEPER).write_text(json.dumps({"pid": innocent.pid, "start": 1}))
        intent = {**machine.intent(plan.name), "boot": "an earlier one"}
        (folder / state.INTENT).write_text(json.dumps(intent))
        second = await machine.backend()
        await second.terminate(plan.name)
        [pod] = await second.list_pods()
        assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.HOST_RESTARTED)
        assert innocent.returncode is None
    finally:
        innocent.kill()
        await innocent.wait()
