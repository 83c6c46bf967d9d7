# ruff: noqa: ASYNC240 - tests look at files and processes between, for microseconds
"""What a backend promises of pods that run: made once, ready, adopted, told from others'."""

import asyncio
from pathlib import Path

import pytest

from cassini.runtime.errors import BackendError
from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.backends.local import backend as backend_module
from services.provisioner.backends.local.shim import state
from services.provisioner.plan import PodName
from tests.provisioner.backends.local.machine import ended, started


async def test_a_pod_becomes_ready_and_its_output_is_readable(machine, isolated):
    backend, isolation = isolated
    plan = machine.plan("echo hello; " + machine.serve(isolation))
    changes = backend.changes()
    await backend.create(plan, {})
    assert await anext(changes) == plan.name.workload_id
    pod = await machine.pod(backend, plan.name, lambda pod: pod.ready)
    assert pod.phase is PodPhase.STARTED
    assert pod.declarer == "api"
    assert [(step.name, step.state) for step in pod.steps] == [("main", "begin")]
    [endpoint] = pod.endpoints
    assert (endpoint.container_port, endpoint.host) == (8888, "127.0.0.1")
    page = await backend.read_logs(plan.name, first=0, lines=10)
    assert [line.text for line in page.lines] == ["hello"]
    assert pod.created_at <= page.lines[0].at


async def test_ready_is_found_again_by_the_next_backend_at_once(machine, isolated):
    backend, isolation = isolated
    plan = machine.plan(machine.serve(isolation))
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, lambda pod: pod.ready)
    await backend.close()
    second = await machine.backend(isolation="none")
    [pod] = await second.list_pods()
    assert pod.ready


async def test_the_exit_code_is_known_to_a_backend_that_is_not_the_parent(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("while [ ! -e ~/go ]; do sleep 0.02; done; exit 7")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    await backend.close()
    second = await machine.backend()
    [pod] = await second.list_pods()
    assert pod.phase is PodPhase.STARTED
    (machine.places.home(plan.name.workload_id) / "go").touch()
    pod = await machine.pod(second, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (7, EndReason.EXITED)
    assert pod.finished_at is not None


async def test_creating_a_pod_many_times_starts_it_once(machine, isolated):
    backend, _ = isolated
    second = await machine.backend(isolation="none")
    plan = machine.plan('echo x >> "$HOME/starts"; sleep 1000')
    await asyncio.gather(*(each.create(plan, {}) for each in (backend, second, backend)))
    starts = machine.places.home(plan.name.workload_id) / "starts"
    await machine.until(lambda: starts.exists() and starts.read_text())
    await backend.create(plan, {})
    assert starts.read_text() == "x\n"
    assert len(await second.list_pods()) == 1


async def test_an_intent_without_a_shim_says_so_and_can_be_stopped(machine, monkeypatch):
    backend = await machine.backend()
    plan = machine.plan("exit 0")
    with monkeypatch.context() as patched:
        patched.setattr(backend_module, "spawn", _fails)
        with pytest.raises(BackendError):
            await backend.create(plan, {})
    [pod] = await backend.list_pods()
    assert pod.phase is PodPhase.STARTING
    assert "creating it again" in pod.message
    await backend.terminate(plan.name)
    await backend.create(plan, {})
    [pod] = await backend.list_pods()
    assert (pod.phase, pod.reason) == (PodPhase.ENDED, EndReason.STOPPED)


def _fails(*_):
    raise OSError(12, "no memory")


async def test_secret_values_reach_the_pod_and_nothing_else(machine, isolated):
    backend, _ = isolated
    planted = "planted-" + "s3cr3t" * 3
    plan = machine.plan("echo ${#SECRET}; sleep 1000")
    await backend.create(plan, {"SECRET": planted})
    await machine.until(lambda: machine.log(plan.name) == f"{len(planted)}\n")
    shim = Path(f"/proc/{machine.shim(plan.name)}")
    seen = [path.read_bytes() for path in machine.data.rglob("*") if path.is_file()]
    seen += [(shim / name).read_bytes() for name in ("cmdline", "environ")]
    seen += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in machine.left(plan.name)]
    assert not any(planted.encode() in content for content in seen)


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


async def test_a_failed_step_is_a_failed_preparation_with_its_code(machine):
    backend = await machine.backend()
    script = """
    echo "1 packages begin" >> "$CASSINI_REPORT"
    echo "2 packages failed 3" >> "$CASSINI_REPORT"; exit 1
    """
    plan = machine.plan(script, begin=False)
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.reason, pod.exit_code) == (EndReason.PREPARATION_FAILED, 3)
    assert "packages" in pod.message


async def test_pods_of_another_installation_are_neither_listed_nor_touched(machine):
    backend = await machine.backend()
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    other = await machine.backend(installation_id="another")
    assert await other.list_pods() == []
    await other.terminate(plan.name)
    await other.remove(plan.name)
    [pod] = await backend.list_pods()
    assert pod.phase is PodPhase.STARTED


async def test_a_damaged_record_is_an_error_and_never_a_shorter_list(machine):
    backend = await machine.backend()
    plan = machine.plan("exit 0")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    (machine.places.attempt(plan.name) / state.INTENT).write_text("{")
    with pytest.raises(BackendError):
        await backend.list_pods()


async def test_unknown_pods_are_gone_already(machine):
    backend = await machine.backend()
    name = PodName("e" * 32, 1, 0, 1)
    await backend.terminate(name)
    await backend.remove(name)
    assert await backend.read_logs(name, first=0, lines=5) is None


async def test_a_script_may_be_longer_than_one_argument(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("echo begun\n" + "# a long comment\n" * 30_000 + "echo ended; exit 5")
    assert len(plan.script) > 256 * 1024
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (5, EndReason.EXITED)
    assert machine.log(plan.name) == "begun\nended\n"


async def test_what_a_script_starts_inherits_nothing_of_it(machine, isolated):
    backend, isolation = isolated
    plan = machine.plan("exec ls -l /proc/self/fd")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    log = machine.log(plan.name)
    assert " 0 -> /dev/null\n" in log
    assert "memfd" not in log
    assert ("/lock\n" in log) == (isolation == "none")
