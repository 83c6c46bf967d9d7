"""What a backend promises of pods that run: made once, ready, adopted, told from others'."""

import asyncio

from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.plan import PodName
from tests.provisioner.backends.conformance.rig import SERVE, ended, ready, started


async def test_a_pod_becomes_ready_and_answers_at_its_endpoint(rig):
    backend = await rig.backend()
    plan = rig.plan("echo hello; " + SERVE)
    changes = backend.changes()
    await backend.create(plan, {})
    assert await anext(changes) == plan.name.workload_id
    pod = await rig.pod(backend, plan.name, ready)
    assert pod.phase is PodPhase.STARTED
    assert pod.declarer == "api"
    assert [(step.name, step.state) for step in pod.steps] == [("main", "begin")]
    [endpoint] = pod.endpoints
    assert endpoint.container_port == 8888
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    await writer.wait_closed()


async def test_ready_is_hinted_at(rig):
    backend = await rig.backend()
    changes = backend.changes()
    plan = rig.plan(SERVE)
    await backend.create(plan, {})
    async with asyncio.timeout(30):
        while not [pod for pod in await backend.list_pods() if pod.ready]:
            await anext(changes)


async def test_what_does_not_answer_is_started_and_not_ready(rig):
    backend = await rig.backend()
    plan = rig.plan("echo up; sleep 1000")
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "up")
    pod = await rig.pod(backend, plan.name, started)
    assert (pod.ready, pod.begun) == (False, True)


async def test_without_a_probe_it_is_ready_as_soon_as_the_main_command_runs(rig):
    backend = await rig.backend()
    plan = rig.plan("sleep 1000", readiness=None)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, ready)


async def test_ready_is_known_to_the_next_backend_at_once(rig):
    backend = await rig.backend()
    plan = rig.plan(SERVE)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, ready)
    await backend.close()
    second = await rig.backend()
    [pod] = await second.list_pods()
    assert pod.ready


async def test_the_next_backend_follows_a_start_to_its_end(rig):
    backend = await rig.backend()
    plan = rig.plan("while [ ! -e ~/go ]; do sleep 0.02; done; " + SERVE)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, started)
    await backend.close()
    second = await rig.backend()
    changes = second.changes()
    [pod] = await second.list_pods()
    assert not pod.ready
    await rig.touch(plan.name, "go")
    async with asyncio.timeout(30):
        while not [pod for pod in await second.list_pods() if pod.ready]:
            await anext(changes)


async def test_the_exit_code_is_known_to_a_backend_that_did_not_make_the_pod(rig):
    backend = await rig.backend()
    plan = rig.plan("while [ ! -e ~/go ]; do sleep 0.02; done; exit 7")
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, started)
    await backend.close()
    second = await rig.backend()
    [pod] = await second.list_pods()
    assert pod.phase is PodPhase.STARTED
    await rig.touch(plan.name, "go")
    pod = await rig.pod(second, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (7, EndReason.EXITED)
    assert pod.created_at <= pod.finished_at


async def test_creating_a_pod_many_times_starts_it_once(rig):
    backend, second = await rig.backend(), await rig.backend()
    plan = rig.plan('echo x >> "$HOME/starts"; cat "$HOME/starts"; echo up; sleep 1000')
    await asyncio.gather(*(each.create(plan, {}) for each in (backend, second, backend)))
    await rig.printed(backend, plan.name, "up")
    await second.create(plan, {})
    assert await rig.log(backend, plan.name) == "x\nup\n"
    assert len(await second.list_pods()) == 1


async def test_replicas_of_a_workload_run_beside_each_other(rig):
    backend = await rig.backend()
    plans = [rig.plan(SERVE, rank=rank) for rank in range(3)]
    await asyncio.gather(*(backend.create(plan, {}) for plan in plans))
    pods = [await rig.pod(backend, plan.name, ready) for plan in plans]
    assert len({pod.endpoints for pod in pods}) == 3
    await backend.terminate(plans[1].name)
    await rig.pod(backend, plans[1].name, ended)
    await backend.remove(plans[1].name)
    left = {pod.name: pod.ready for pod in await backend.list_pods(rig.workload)}
    assert left == {plans[0].name: True, plans[2].name: True}


async def test_an_intent_says_so_and_is_completed_by_the_next_create(rig):
    backend = await rig.backend()
    plan = rig.plan("echo done; exit 0")
    await rig.cut_short(backend, plan)
    [pod] = await backend.list_pods()
    assert (pod.phase, pod.begun) == (PodPhase.STARTING, False)
    assert "creating it again" in pod.message
    second = await rig.backend()
    pod = await rig.run(second, plan)
    assert (pod.exit_code, pod.reason) == (0, EndReason.EXITED)


async def test_an_intent_can_be_stopped_and_is_never_begun_then(rig):
    backend = await rig.backend()
    plan = rig.plan("exit 0")
    await rig.cut_short(backend, plan)
    await backend.terminate(plan.name)
    await backend.create(plan, {})
    [pod] = await backend.list_pods()
    assert (pod.phase, pod.reason) == (PodPhase.ENDED, EndReason.STOPPED)


async def test_pods_of_another_installation_are_neither_listed_nor_touched(rig):
    backend = await rig.backend()
    plan = rig.plan("sleep 1000")
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, started)
    other = await rig.backend(installation_id="another-of-this-test")
    assert await other.list_pods() == []
    await other.terminate(plan.name)
    await other.remove(plan.name)
    [pod] = await backend.list_pods()
    assert pod.phase is PodPhase.STARTED


async def test_unknown_pods_are_gone_already(rig):
    backend = await rig.backend()
    name = PodName("e" * 32, 1, 0, 1)
    await backend.terminate(name)
    await backend.remove(name)
    assert await backend.read_logs(name, first=0, lines=5) is None


async def test_a_script_may_be_longer_than_one_argument(rig):
    backend = await rig.backend()
    plan = rig.plan("echo begun\n" + "# a long comment\n" * 30_000 + "echo ended; exit 5")
    assert len(plan.script) > 256 * 1024
    pod = await rig.run(backend, plan)
    assert (pod.exit_code, pod.reason) == (5, EndReason.EXITED)
    assert await rig.log(backend, plan.name) == "begun\nended\n"


async def test_the_environment_is_the_plan_and_what_a_pod_needs(rig, monkeypatch):
    monkeypatch.setenv("PLATFORM_ONLY", "not for pods")
    backend = await rig.backend()
    plan = rig.plan("env; sleep 0.1", environment={"MINE": "1", "_cassini_state": "mine too"})
    await backend.create(plan, {"SECRET": "2"})
    await rig.pod(backend, plan.name, ended)
    printed = await rig.log(backend, plan.name)
    found = dict(line.split("=", 1) for line in printed.splitlines())
    assert (found["MINE"], found["SECRET"]) == ("1", "2")
    assert "PLATFORM_ONLY" not in found
    assert found["HOME"].endswith("jovyan") or found["HOME"].endswith(rig.workload)
    for name in ("PORT", "CASSINI_IMAGE", "CASSINI_OVERLAY", "CASSINI_REPORT", "XDG_RUNTIME_DIR"):
        assert found[name]
