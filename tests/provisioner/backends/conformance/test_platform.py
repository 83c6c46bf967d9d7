"""The whole provisioner on a real backend: wishes come in every order, and one world follows."""

import asyncio

import pytest

from cassini.testing.waiting import until
from services.provisioner.backends.base import PodPhase
from tests.provisioner.backends.conformance.conftest import make_rig
from tests.provisioner.backends.conformance.platform import Platform, new_directory
from tests.provisioner.backends.conformance.rig import started

SLOW_START = {"start_script": "while [ ! -e ~/go ]; do sleep 0.05; done"}


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def rig(request):
    """The rigs of this file: without namespaces the local backend is no other one above itself."""
    rig = await make_rig(request.param)
    yield rig
    await rig.clean()


@pytest.fixture
async def platform(rig, tmp_path):
    platform = Platform(rig, new_directory(tmp_path))
    await platform.start()
    yield platform
    await platform.stop()


async def test_start_stop_restart_and_delete(platform):
    await platform.declare(platform.wish(1))
    fact = await platform.comes_to("running", 1)
    assert fact.pods[0].ready
    assert fact.pods[0].endpoints
    await platform.declare(platform.wish(2, wanted="stopped"))
    await platform.comes_to("stopped", 2)
    assert await platform.rig.remains() == []
    await platform.declare(platform.wish(3, revision=2))
    await platform.comes_to("running", 3)
    assert await platform.names() == ["2-0-1"]
    await platform.declare(platform.wish(4, revision=2, wanted="absent"))
    await platform.comes_to("absent", 4)
    assert await platform.rig.remains() == []


async def test_files_packages_variables_and_values_of_a_wish_arrive(platform):
    wish = platform.wish(
        1,
        config_files={"notes/a.conf": {"content": "grün 'x'\n", "mode": "0600"}},
        environment={"MINE": "1"},
        start_script="echo started with $MINE ${#TOKEN}",
        command="cat ~/notes/a.conf; stat -c %a ~/notes/a.conf; pwd; exit 0",
        values={"TOKEN": "t0ken"},
    )
    await platform.declare(wish)
    await platform.comes_to("completed", 1)
    lines = await platform.service.pod_logs(
        f"{platform.rig.workload}-1-0-1", previous=False, lines=100
    )
    said = [line.text for line in lines if not line.text.startswith("cassini: ")]
    assert said == ["started with 1 5", "grün 'x'", "600", "/home/jovyan/workspace"]


async def test_duplicate_late_and_swapped_declarations_are_one_pod(platform):
    wishes = [platform.wish(1), platform.wish(2, wanted="stopped"), platform.wish(3, revision=2)]
    first, stop, again = wishes
    for wish in (first, again, stop, first, again, again):
        await platform.declare(wish)
    await platform.comes_to("running", 3)
    assert await platform.names() == ["2-0-1"]
    for wish in (first, stop, again):
        await platform.declare(wish)
    await until(lambda: platform.service.owned)
    pods = await platform.backend.list_pods(platform.rig.workload)
    assert [(pod.name.revision, pod.name.attempt) for pod in pods] == [(2, 1)]


async def test_a_new_revision_while_the_old_one_starts(platform):
    await platform.declare(platform.wish(1, **SLOW_START))
    first = await until(platform.names, seconds=45, every=0.1)
    assert first == ["1-0-1"]
    await platform.declare(platform.wish(2, revision=2))
    await platform.comes_to("running", 2)
    assert await platform.names() == ["2-0-1"]


async def test_delete_while_starting(platform):
    await platform.declare(platform.wish(1, **SLOW_START))
    await until(platform.names, seconds=45, every=0.1)
    await platform.declare(platform.wish(2, wanted="absent"))
    await platform.comes_to("absent", 2)
    assert await platform.rig.remains() == []


async def test_a_tombstone_refuses_a_replayed_wish(platform):
    wish = platform.wish(1)
    await platform.declare(wish)
    await platform.comes_to("running", 1)
    await platform.declare(platform.wish(2, wanted="absent"))
    await platform.comes_to("absent", 2)
    await platform.declare(wish)
    await asyncio.sleep(0)
    assert await platform.backend.list_pods() == []
    assert platform.fact().status == "absent"
    await platform.declare(platform.wish(3, revision=2))
    await platform.comes_to("running", 3)


async def test_scaling_leaves_the_others_alone(platform):
    await platform.declare(platform.wish(1, replicas=2))
    await platform.comes_to("running", 1)
    before = {pod.name: pod.created_at for pod in await platform.backend.list_pods()}
    await platform.declare(platform.wish(2, replicas=3))
    await platform.comes_to("running", 2)
    await until(lambda: _has(platform, ["1-0-1", "1-1-1", "1-2-1"]), seconds=45, every=0.1)
    await platform.declare(platform.wish(3, replicas=1))
    await platform.comes_to("running", 3)
    assert await platform.names() == ["1-0-1"]
    [left] = await platform.backend.list_pods()
    assert left.created_at == before[left.name]


async def _has(platform, names) -> bool:
    return await platform.names() == names


async def test_a_crash_is_started_again_and_a_crash_loop_is_an_error(platform):
    await platform.declare(platform.wish(1, command="echo crashing; exit 3"))
    fact = await platform.comes_to("error", 1)
    assert "4 times" in fact.message
    assert "exit code 3" in fact.message
    lines = await platform.service.pod_logs(
        f"{platform.rig.workload}-1-0-2", previous=True, lines=100
    )
    assert [line.text for line in lines][-1] == "crashing"


async def test_a_crash_after_which_it_works_is_forgotten(platform):
    command = 'if [ -e ~/second ]; then exec python -I -S -c "$SERVER"; fi; touch ~/second; exit 1'
    await platform.declare(platform.wish(1, command=command))
    await platform.comes_to("running", 1)
    assert await platform.names() == ["1-0-2"]


async def test_a_bad_command_is_an_error_that_says_so(platform):
    await platform.declare(platform.wish(1, command="no-such-command"))
    fact = await platform.comes_to("error", 1)
    assert "there is no such command" in fact.message


async def test_a_missing_image_is_an_error_at_once(platform):
    await platform.declare(platform.wish(1, image=platform.rig.missing_image))
    fact = await platform.comes_to("error", 1)
    assert fact.message
    await platform.declare(platform.wish(2, revision=2))
    await platform.comes_to("running", 2)


async def test_a_pod_killed_from_outside_is_started_again(platform):
    await platform.declare(platform.wish(1))
    fact = await platform.comes_to("running", 1)
    [name] = await platform.names()
    pods = await platform.backend.list_pods()
    await platform.rig.kill_keeper(pods[0].name)
    await until(lambda: _has(platform, ["1-0-2"]), seconds=45, every=0.1)
    await until(lambda: _ready(platform), seconds=45, every=0.1)
    assert (name, fact.pods[0].attempt) == ("1-0-1", 1)


async def _ready(platform) -> bool:
    return any(pod.ready for pod in await platform.backend.list_pods())


async def test_what_runs_is_adopted_by_the_next_provisioner(platform):
    await platform.declare(platform.wish(1))
    await platform.comes_to("running", 1)
    [before] = await platform.backend.list_pods()
    await platform.stop()
    await platform.start()
    [pod] = await platform.backend.list_pods()
    assert (pod.name, pod.created_at, pod.ready) == (before.name, before.created_at, True)
    await platform.declare(platform.wish(2, wanted="stopped"))
    await platform.comes_to("stopped", 2)
    assert await platform.rig.remains() == []


async def test_a_start_goes_on_with_the_next_provisioner(platform):
    await platform.declare(platform.wish(1, **SLOW_START))
    await until(platform.names, seconds=45, every=0.1)
    [pod] = await platform.backend.list_pods()
    await platform.rig.pod(platform.backend, pod.name, lambda pod: pod.steps)
    await platform.stop()
    await platform.start()
    await platform.rig.touch(pod.name, "go")
    await platform.comes_to("running", 1)
    assert await platform.names() == ["1-0-1"]


async def test_a_machine_that_was_restarted_gets_its_pods_again(platform, monkeypatch):
    await platform.declare(platform.wish(1))
    await platform.comes_to("running", 1)
    await platform.stop()
    await platform.rig.reboot(monkeypatch)
    await platform.start()
    await until(lambda: _has(platform, ["1-0-2"]), seconds=45, every=0.1)


async def test_a_pod_without_a_row_is_asked_about_and_a_foreign_one_never_touched(
    platform, tmp_path
):
    foreign = await platform.rig.backend(installation_id="another-of-this-test")
    theirs = platform.rig.plan("sleep 1000", attempt=9)
    await foreign.create(theirs, {})
    await platform.rig.pod(foreign, theirs.name, started)
    await platform.declare(platform.wish(1))
    await platform.comes_to("running", 1)
    await platform.stop()
    restored = Platform(platform.rig, new_directory(tmp_path))
    await restored.start()
    try:
        await restored.comes_to("unknown", 0)
        assert await restored.names() == ["1-0-1"]
        await restored.declare(restored.wish(1, wanted="stopped"))
        await restored.comes_to("stopped", 1)
        assert await restored.names() == []
        [pod] = await foreign.list_pods()
        assert pod.phase is PodPhase.STARTED
        await foreign.remove(theirs.name)
    finally:
        await restored.stop()
