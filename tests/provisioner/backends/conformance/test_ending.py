"""How pods end: by themselves, asked to, by force, by loss of their keeper or of the machine."""

from services.provisioner.backends.base import EndReason, PodPhase
from tests.provisioner.backends.conformance.rig import SERVE, ended, ready, started

STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; while :; do sleep 1000; done' &
(setsid sh -c '(sleep 1000 &) ; exec sleep 1000' &)
echo up
while :; do sleep 0.05; done
"""


async def test_a_stopped_pod_leaves_no_process_though_all_ignore_the_request(rig):
    backend = await rig.backend()
    plan = rig.plan(STUBBORN, grace_seconds=0.2)
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "up")
    await backend.terminate(plan.name)
    await backend.terminate(plan.name)
    pod = await rig.pod(backend, plan.name, ended)
    assert (pod.phase, pod.exit_code, pod.reason) == (PodPhase.ENDED, 137, EndReason.STOPPED)
    assert await rig.living(plan.name) == 0


async def test_a_stopped_pod_may_end_by_itself_within_its_grace_and_is_asked_once(rig):
    backend, second = await rig.backend(), await rig.backend()
    plan = rig.plan(
        "trap 'echo bye; n=1' TERM; echo up; while [ -z \"$n\" ]; do sleep 0.02; done; sleep 0.5",
        grace_seconds=20.0,
    )
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "up")
    for each in (backend, second, backend, second):
        await each.terminate(plan.name)
    pod = await rig.pod(backend, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (0, EndReason.STOPPED)
    assert await rig.log(backend, plan.name) == "up\nbye\n"


async def test_a_pod_goes_on_ending_when_the_backend_that_asked_is_gone(rig):
    backend = await rig.backend()
    plan = rig.plan(STUBBORN, grace_seconds=1.0)
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "up")
    await backend.terminate(plan.name)
    await backend.close()
    second = await rig.backend()
    pod = await rig.pod(second, plan.name, ended)
    assert pod.reason is EndReason.STOPPED
    assert await rig.living(plan.name) == 0


async def test_a_pod_may_be_stopped_while_it_is_prepared(rig):
    backend = await rig.backend()
    plan = rig.plan('echo "1 packages begin" >> "$CASSINI_REPORT"; sleep 1000', begin=False)
    await backend.create(plan, {})
    pod = await rig.pod(backend, plan.name, lambda pod: pod.steps)
    assert (pod.phase, pod.ready) == (PodPhase.STARTING, False)
    await backend.terminate(plan.name)
    pod = await rig.pod(backend, plan.name, ended)
    assert pod.reason is EndReason.STOPPED


async def test_asking_a_pod_to_end_that_has_ended_changes_nothing(rig):
    backend = await rig.backend()
    plan = rig.plan("exit 3")
    await rig.run(backend, plan)
    await backend.terminate(plan.name)
    [pod] = await backend.list_pods()
    assert (pod.exit_code, pod.reason) == (3, EndReason.EXITED)


async def test_a_failed_step_is_a_failed_preparation_with_its_code(rig):
    backend = await rig.backend()
    script = """
    echo "1 packages begin" >> "$CASSINI_REPORT"
    echo "2 packages failed 3" >> "$CASSINI_REPORT"; exit 1
    """
    pod = await rig.run(backend, rig.plan(script, begin=False))
    assert (pod.reason, pod.exit_code) == (EndReason.PREPARATION_FAILED, 3)
    assert "packages" in pod.message


async def test_a_command_that_is_not_there_ends_with_127(rig):
    backend = await rig.backend()
    pod = await rig.run(backend, rig.plan("exec no-such-command"))
    assert (pod.exit_code, pod.reason) == (127, EndReason.EXITED)


async def test_a_main_command_that_kills_itself_ended_by_itself(rig):
    backend = await rig.backend()
    pod = await rig.run(backend, rig.plan("exec sh -c 'kill -9 $$'"))
    assert (pod.phase, pod.exit_code, pod.reason) == (PodPhase.ENDED, 137, EndReason.EXITED)


async def test_a_killed_keeper_is_a_lost_pod_of_which_nothing_is_left(rig):
    backend = await rig.backend()
    plan = rig.plan(STUBBORN)
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "up")
    assert await rig.living(plan.name)
    await rig.kill_keeper(plan.name)
    pod = await rig.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.KEEPER_KILLED)
    assert await rig.living(plan.name) == 0
    await backend.create(plan, {})
    [pod] = await backend.list_pods()
    assert pod.phase is PodPhase.LOST


async def test_a_pod_ended_by_somebody_else_is_not_a_wanted_stop(rig):
    backend = await rig.backend()
    plan = rig.plan("sleep 1000")
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, started)
    await rig.ask_to_end(plan.name)
    pod = await rig.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.KEEPER_KILLED)


async def test_a_restart_of_the_machine_is_told_and_the_next_attempt_runs(rig, monkeypatch):
    backend = await rig.backend()
    plan = rig.plan(SERVE)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, ready)
    await rig.reboot(monkeypatch)
    second = await rig.backend()
    [pod] = await second.list_pods()
    assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.HOST_RESTARTED)
    monkeypatch.undo()
    again = rig.plan(SERVE, attempt=2)
    await second.create(again, {})
    await rig.pod(second, again.name, ready)


async def test_only_the_main_command_is_asked_and_it_may_be_interrupted(rig):
    backend = await rig.backend()
    plan = rig.plan(
        "(trap 'echo asked' TERM; while :; do sleep 0.02; done) & echo $(($(grep SigIgn"
        " /proc/self/status | cut -f2 | sed 's/^0*/0x0/') & 6)); exec sleep 1000"
    )
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "\n")
    await backend.terminate(plan.name)
    await rig.pod(backend, plan.name, ended)
    assert await rig.log(backend, plan.name) == "0\n"
