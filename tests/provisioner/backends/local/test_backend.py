"""What is true of pods as processes only; the conformance suite has what every backend promises."""

import pytest

from cassini.runtime.errors import BackendError
from services.provisioner.backends.local.shim import state
from tests.provisioner.backends.local.machine import ended


async def test_the_environment_is_the_plan_and_what_a_pod_needs(machine, monkeypatch, isolated):
    backend, _ = isolated
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("PLATFORM_ONLY", "not for pods")
    plan = machine.plan("env", environment={"MINE": "1"})
    await backend.create(plan, {"SECRET": "2"})
    pod = await machine.pod(backend, plan.name, ended)
    found = dict(line.split("=", 1) for line in machine.log(plan.name).splitlines())
    assert (found["MINE"], found["SECRET"]) == ("1", "2")
    assert found["HTTPS_PROXY"] == "http://proxy.example"
    assert "PLATFORM_ONLY" not in found
    assert found["PORT"] == str(pod.endpoints[0].port)
    assert found["PATH"].split(":")[:2] == [
        f"{machine.places.overlay(plan.name)}/bin",
        f"{machine.image}/bin",
    ]
    assert not found["JUPYTER_RUNTIME_DIR"].startswith(str(machine.data))


async def test_a_damaged_record_is_an_error_and_never_a_shorter_list(machine):
    backend = await machine.backend()
    plan = machine.plan("exit 0")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    (machine.places.attempt(plan.name) / state.INTENT).write_text("{")
    with pytest.raises(BackendError):
        await backend.list_pods()


async def test_what_a_script_starts_inherits_nothing_of_it(machine, isolated):
    backend, isolation = isolated
    plan = machine.plan("exec ls -l /proc/self/fd")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    log = machine.log(plan.name)
    assert " 0 -> /dev/null\n" in log
    assert "memfd" not in log
    assert ("/lock\n" in log) == (isolation == "none")
