# ruff: noqa: ASYNC222, ASYNC240 - tests look at files and processes between, for microseconds
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cassini.runtime.errors import BackendError
from services.provisioner.backends import local
from services.provisioner.backends import local_state as state
from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.plan import PodName

PROJECT = Path(__file__).parents[2]
STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; while :; do sleep 1000; done' &
(setsid sh -c '(sleep 1000 &) ; exec sleep 1000' &)
echo up
while :; do sleep 0.05; done
"""


def ended(pod):
    return pod.phase in {PodPhase.ENDED, PodPhase.LOST}


def started(pod):
    return pod.phase is PodPhase.STARTED


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
    assert await backend.read_logs(plan.name, previous=False, lines=10) == ["hello"]


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


async def test_a_stopped_pod_leaves_no_process_though_all_ignore_the_request(machine, isolated):
    backend, _ = isolated
    plan = machine.plan(STUBBORN, grace_seconds=0.2)
    await backend.create(plan, {})
    await machine.until(lambda: "up" in _log(machine, plan.name))
    await backend.terminate(plan.name)
    await backend.terminate(plan.name)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.exit_code, pod.reason) == (PodPhase.ENDED, 137, EndReason.STOPPED)
    assert machine.left(plan.name) == {}


async def test_a_stopped_pod_may_end_by_itself_within_its_grace(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    await backend.create(plan, {})
    await machine.until(lambda: "up" in _log(machine, plan.name))
    await backend.terminate(plan.name)
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (0, EndReason.STOPPED)
    assert "bye" in _log(machine, plan.name)


async def test_a_killed_shim_is_a_lost_pod_of_which_nothing_is_left(machine, isolated):
    backend, _ = isolated
    plan = machine.plan(STUBBORN)
    await backend.create(plan, {})
    await machine.until(lambda: "up" in _log(machine, plan.name))
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


async def test_creating_a_pod_many_times_starts_it_once(machine, isolated):
    backend, _ = isolated
    second = await machine.backend(isolation="none")
    plan = machine.plan('echo x >> "$HOME/starts"; sleep 1000')
    await asyncio.gather(*(each.create(plan, {}) for each in (backend, second, backend)))
    await machine.pod(backend, plan.name, started)
    await backend.create(plan, {})
    assert (machine.places.home(plan.name.workload_id) / "starts").read_text() == "x\n"
    assert len(await second.list_pods()) == 1


CRASHER = """
import asyncio, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from services.provisioner.backends import local, local_start
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
        local_start.marshal = SimpleNamespace(dumps=die)
    elif point == "after the spawn":
        local.spawn = spawn_and_die
async def main():
    backend = local.LocalBackend(data=data, installation_id="test-installation", limits="none")
    await backend.open()
    arm()
    plan = PodPlan(name=PodName("a" * 32, 1, 0, 1), declarer="api", owner_id="b" * 32,
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
        cwd=PROJECT,
        start_new_session=True,
    )
    assert await process.wait() == -signal.SIGKILL
    backend = await machine.backend()
    before = await backend.list_pods()
    assert len(before) == (0 if point == "before the intent" else 1)
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, lambda pod: pod.ready)
    assert (machine.places.home(plan.name.workload_id) / "starts").read_text() == "x\n"
    assert len(await backend.list_pods()) == 1


async def test_an_intent_without_a_shim_says_so_and_can_be_stopped(machine, monkeypatch):
    backend = await machine.backend()
    plan = machine.plan("exit 0")
    with monkeypatch.context() as patched:
        patched.setattr(local, "spawn", _fails)
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


async def test_a_pod_whose_port_is_taken_does_not_begin(machine, monkeypatch, isolated):
    backend, _ = isolated
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr(local, "free_ports", lambda *_: [taken])
        plan = machine.plan("echo ran")
        await backend.create(plan, {})
        pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.ENDED, EndReason.PORT_TAKEN)
    assert await backend.read_logs(plan.name, previous=False, lines=10) == []


async def test_a_stranger_on_the_port_never_passes_for_the_pod(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, started)

    async def answer(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", pod.endpoints[0].port)
    async with server:
        pod = await machine.pod(backend, plan.name, lambda pod: ended(pod) or pod.ready)
    assert (pod.ready, pod.reason) == (False, EndReason.PORT_TAKEN)


async def test_a_main_command_that_lost_its_port_to_a_stranger_ends_as_port_taken(machine):
    backend = await machine.backend()
    plan = machine.plan("while [ ! -e ~/go ]; do sleep 0.02; done; exit 1", readiness=None)
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, started)
    with socket.create_server(("127.0.0.1", pod.endpoints[0].port)):
        (machine.places.home(plan.name.workload_id) / "go").touch()
        pod = await machine.pod(backend, plan.name, ended)
    assert pod.reason is EndReason.PORT_TAKEN


async def test_secret_values_reach_the_pod_and_nothing_else(machine, isolated):
    backend, _ = isolated
    planted = "planted-" + "s3cr3t" * 3
    plan = machine.plan("echo ${#SECRET}; sleep 1000")
    await backend.create(plan, {"SECRET": planted})
    await machine.until(lambda: _log(machine, plan.name) == f"{len(planted)}\n")
    shim = Path(f"/proc/{machine.shim(plan.name)}")
    seen = [path.read_bytes() for path in machine.data.rglob("*") if path.is_file()]
    seen += [(shim / name).read_bytes() for name in ("cmdline", "environ")]
    seen += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in machine.left(plan.name)]
    assert not any(planted.encode() in content for content in seen)


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


async def test_a_pod_that_outgrows_its_memory_is_told_so(machine):
    backend = await machine.backend(limits="best")
    if "memory" not in (await backend.describe()).limits:
        pytest.skip("this machine does not let us limit memory")
    plan = machine.plan(
        "exec python -I -S -c 'x = bytearray(200_000_000)'", memory_bytes=64 * 1024 * 1024
    )
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, ended)
    assert (pod.exit_code, pod.reason) == (137, EndReason.OOM_KILLED)
    intent = json.loads((machine.places.attempt(plan.name) / state.INTENT).read_text())
    assert intent["groups"]
    assert not any(Path(group).exists() for group in intent["groups"])
    for group in intent["groups"]:
        Path(group).parent.rmdir()


async def test_the_limits_of_a_killed_shim_are_cleaned_up(machine):
    backend = await machine.backend(limits="best")
    if not (await backend.describe()).limits:
        pytest.skip("this machine does not let us limit anything")
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    os.kill(machine.shim(plan.name), signal.SIGKILL)
    await machine.pod(backend, plan.name, ended)
    intent = json.loads((machine.places.attempt(plan.name) / state.INTENT).read_text())
    assert not any(Path(group).exists() for group in intent["groups"])
    for group in intent["groups"]:
        Path(group).parent.rmdir()


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
    log = _log(machine, plan.name)
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
    first, temporary = _log(machine, plan.name).splitlines()
    assert first == f"{home} {home} {home}/workspace /home/jovyan-not"
    assert temporary == str(machine.places.attempt(plan.name) / state.INSIDE / "tmp")


async def test_the_environment_is_the_plan_and_what_a_pod_needs(machine, monkeypatch, isolated):
    backend, _ = isolated
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("PLATFORM_ONLY", "not for pods")
    plan = machine.plan("env", environment={"MINE": "1"})
    await backend.create(plan, {"SECRET": "2"})
    pod = await machine.pod(backend, plan.name, ended)
    found = dict(line.split("=", 1) for line in _log(machine, plan.name).splitlines())
    assert (found["MINE"], found["SECRET"]) == ("1", "2")
    assert found["HTTPS_PROXY"] == "http://proxy.example"
    assert "PLATFORM_ONLY" not in found
    assert found["PORT"] == str(pod.endpoints[0].port)
    assert found["PATH"].split(":")[:2] == [
        f"{machine.places.overlay(plan.name)}/bin",
        f"{machine.image}/bin",
    ]
    assert not found["JUPYTER_RUNTIME_DIR"].startswith(str(machine.data))


async def test_a_removed_pod_keeps_its_log_and_its_home(machine, isolated):
    backend, _ = isolated
    first = machine.plan('echo one; echo x > "$HOME/kept"')
    await backend.create(first, {})
    await machine.pod(backend, first.name, ended)
    second = machine.plan('echo two; cat "$HOME/kept"; sleep 1000', attempt=2)
    await backend.create(second, {})
    await machine.pod(backend, second.name, started)
    await backend.remove(first.name)
    assert machine.places.overlay(second.name).exists()
    await machine.until(lambda: "x" in _log(machine, second.name))
    assert await backend.read_logs(second.name, previous=True, lines=5) == ["one"]
    await backend.remove(second.name)
    await backend.remove(second.name)
    assert machine.left(second.name) == {}
    assert await backend.list_pods() == []
    assert list(machine.places.workloads.iterdir()) == []
    assert await backend.read_logs(second.name, previous=False, lines=1) == ["x"]
    assert (machine.places.home(first.name.workload_id) / "kept").exists()
    assert not list(Path("/dev/shm").glob(f"cassini-{first.name.workload_id}-*"))


async def test_a_home_is_kept_in_the_trash_for_its_days(machine):
    now = [1_000_000.0]
    backend = await machine.backend(clock=lambda: now[0], isolation="none")
    workload = "d" * 32
    home = machine.places.home(workload)
    home.mkdir()
    (home / "notebook").write_text("old")
    await backend.discard_home(workload)
    await backend.discard_home(workload)
    assert not home.exists()
    await backend.recover_home(workload)
    assert (home / "notebook").read_text() == "old"
    await backend.discard_home(workload)
    now[0] += 6.9 * 86400
    home.mkdir()
    (home / "notebook").write_text("new")
    await backend.discard_home(workload)
    await backend.recover_home(workload)
    await backend.recover_home(workload)
    assert (home / "notebook").read_text() == "new"
    now[0] += 86400
    await machine.backend(clock=lambda: now[0], isolation="none")
    assert list(machine.places.trash.iterdir()) == []


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
        intent = json.loads((folder / state.INTENT).read_text())
        (folder / state.INTENT).write_text(json.dumps({**intent, "boot": "an earlier one"}))
        second = await machine.backend()
        await second.terminate(plan.name)
        [pod] = await second.list_pods()
        assert (pod.phase, pod.reason) == (PodPhase.LOST, EndReason.HOST_RESTARTED)
        assert innocent.returncode is None
    finally:
        innocent.kill()
        await innocent.wait()


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
    assert await backend.read_logs(name, previous=True, lines=5) == []


NORMAL_USER = """
import asyncio, sys
from pathlib import Path
from services.provisioner.backends.local import LocalBackend
from services.provisioner.plan import HttpProbe, PodName, PodPlan

async def main(data):
    backend = LocalBackend(data=data, installation_id="test-installation")
    await backend.open()
    print((await backend.describe()).isolation)
    plan = PodPlan(name=PodName("a" * 32, 1, 0, 1), declarer="api", owner_id="b" * 32,
        image=str(data / "images" / "digest"), environment={"SERVER": sys.argv[2]},
        script="echo $HOME; id -un; ls /home/jovyan; ls -a " + str(data) + "\\n"
               "grep CapEff /proc/self/status; echo 1 main begin >> $CASSINI_REPORT\\n"
               "exec python3 -I -S -c \\"$SERVER\\"",
        secret_variables={}, cores=1.0, memory_bytes=10**9, ports=(8888,),
        readiness=HttpProbe(8888, "/"), grace_seconds=1.0)
    await backend.create(plan, {})
    async with asyncio.timeout(15):
        while not (pods := await backend.list_pods())[0].ready:
            assert pods[0].phase != "ended", pods
            await asyncio.sleep(0.02)
    print("ready")
    print("\\n".join(await backend.read_logs(plan.name, previous=False, lines=30)))
    await backend.remove(plan.name)
    print(await backend.list_pods())
    await backend.close()

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_normal_user_gets_namespaces_too(machine):
    if os.geteuid() != 0:
        pytest.skip("the other tests run as a normal user already")
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no Python here that another user may run")
    folder = machine.data / "users"
    (folder / "images" / "digest" / "bin").mkdir(parents=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    result = await asyncio.to_thread(
        subprocess.run,
        [python, "-c", NORMAL_USER, folder, _server(machine)],
        cwd=PROJECT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": sysconfig.get_path("purelib"),
        },
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = result.stdout.splitlines()
    if "ModuleNotFoundError" in result.stderr:
        pytest.skip("another user may run no Python here that fits our libraries")
    assert result.returncode == 0, result.stderr
    if lines[0] != "namespaces":
        pytest.skip("this machine does not allow user namespaces")
    assert lines[:4] == ["namespaces", "ready", "/home/jovyan", "jovyan"]
    assert "owners.json" not in result.stdout
    assert "homes" not in lines
    assert lines[-2:] == ["CapEff:\t0000000000000000", "[]"]


def _server(machine) -> str:
    return machine.plan("").environment["SERVER"]


def _log(machine, name) -> str:
    path = machine.places.attempt(name) / state.LOG
    return path.read_text() if path.exists() else ""
