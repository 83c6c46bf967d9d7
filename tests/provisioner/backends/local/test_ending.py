# ruff: noqa: ASYNC222 - tests look at files and processes between, for microseconds
"""A restart of the machine, seen from folders; the conformance suite tells the other ends."""

import asyncio
import json
import os
import signal

from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.backends.local.shim import state
from tests.provisioner.backends.local.machine import started


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
