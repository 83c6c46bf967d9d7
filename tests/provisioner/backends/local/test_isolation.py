"""What pods see and may do, with namespaces and without."""

import os

import pytest

from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.backends.local.limits import hierarchies
from services.provisioner.backends.local.shim import state
from tests.provisioner.backends.local.machine import Machine, ended


async def test_a_pod_sees_its_home_and_nothing_else_of_the_data_directory(machine):
    backend = await machine.backend()
    if (await backend.describe()).isolation != "namespaces":
        pytest.skip("this machine does not allow namespaces")
    (machine.data / "key").write_text("key")
    (machine.data / "key").chmod(0o600)
    other = machine.places.home("c" * 32)
    other.mkdir()
    script = f"""
    cat {machine.data}/key; ls {other}; ls {machine.data}; touch {machine.image}/x; touch /home/x
    echo "$HOME $(pwd) $(cd && pwd) $(id -un)"; touch ~/mine "$CASSINI_OVERLAY/mine" /tmp/mine
    grep -E 'CapEff|CapPrm|CapBnd|NoNewPrivs|^Groups' /proc/self/status
    python -c 'import sys; print(sys.prefix)'; ls -d /proc/[0-9]* | wc -l
    """
    plan = machine.plan(script)
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    log = machine.log(plan.name)
    for hidden in (f"{machine.data}/key", str(other)):
        assert f"{hidden}': No such file" in log or f"{hidden}: No such file" in log
    assert log.count("Read-only file system") == 2 or log.count("Permission denied") == 2
    assert "\nimages\nworkloads\n" in log
    assert "/home/jovyan /home/jovyan /home/jovyan jovyan" in log
    assert log.count("0000000000000000") == 3
    assert "NoNewPrivs:\t1" in log
    assert f"\n{machine.image}\n" in log
    mine = machine.places.home(plan.name.workload_id) / "mine"
    assert mine.exists()
    assert (machine.places.overlay(plan.name) / "mine").exists()
    if os.geteuid() == 0:
        assert mine.stat().st_uid not in {0, other.stat().st_uid}
        assert mine.stat().st_uid == mine.parent.stat().st_uid


async def test_without_namespaces_what_says_the_home_is_mapped(machine):
    backend = await machine.backend(isolation="none")
    assert (await backend.describe()).isolation == "none"
    plan = machine.plan(
        'cd /home/jovyan && echo "$HOME $(pwd) $WORK /home/jovyan-not"; echo $TMPDIR',
        environment={"WORK": "/home/jovyan/workspace"},
    )
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    home = machine.places.home(plan.name.workload_id)
    first, temporary = machine.log(plan.name).splitlines()
    assert first == f"{home} {home} {home}/workspace /home/jovyan-not"
    assert temporary == str(machine.places.attempt(plan.name) / state.INSIDE / "tmp")


async def test_what_cannot_be_run_at_all_says_why(machine, isolated):
    backend, isolation = isolated
    plan = machine.plan("exit 0", environment={"BAD": "a\0b"})
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.ENDED, EndReason.START_FAILED)
    if isolation == "namespaces":
        plan = machine.plan("exit 0", attempt=2, image=str(machine.data / "images" / "none"))
        await backend.create(plan, {})
        pod = await machine.pod(backend, plan.name, ended)
        assert "images/none" in pod.message


async def test_a_pod_cannot_write_to_the_control_groups_of_version_2(machine):
    backend = await machine.backend()
    if (await backend.describe()).isolation != "namespaces":
        pytest.skip("this machine does not allow namespaces")
    trees = [str(each.folder) for each in hierarchies() if each.unified]
    if not trees:
        pytest.skip("this machine has no control groups of version 2")
    plan = machine.plan("cat /proc/self/mountinfo", begin=False)
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    options = {}  # the last mount on a place is the one that is seen
    for line in machine.log(plan.name).splitlines():
        place, option_words = line.split()[4:6]
        options[place] = option_words.split(",")
    assert ["ro"] * len(trees) == [options[tree][0] for tree in trees]


async def test_a_data_directory_that_the_pods_user_may_not_enter_is_explained(machine):
    if os.geteuid() != 0:
        pytest.skip("pods run as ourselves")
    closed = machine.data / "closed"
    inner = Machine(closed / "data")
    closed.chmod(0o700)
    try:
        backend = await inner.backend(isolation="none")
        first, second = inner.plan("exit 0"), inner.plan("exit 0", attempt=2)
        await backend.create(first, {})
        pod = await inner.pod(backend, first.name, ended)
        assert pod.reason is EndReason.START_FAILED
        assert f"may not enter {closed}, " in pod.message
        assert f"run 'chmod o+x {closed}', or keep the data directory elsewhere." in pod.message
        closed.chmod(0o711)
        await backend.create(second, {})
        pod = await inner.pod(backend, second.name, ended)
        assert pod.reason is EndReason.EXITED
    finally:
        await inner.clean()
