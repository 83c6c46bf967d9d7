"""The platform, or the whole machine, goes down and comes back: servers go on, or start again."""

import json
import signal
import time

import pytest

from tests.system.jupyter import Lab
from tests.system.waiting import until

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]


def test_servers_outlive_a_killed_platform_and_are_adopted(up):
    platform = up()
    client = platform.client()
    workspace = client.create("adopted")
    client.start(workspace)
    lab = Lab(client.link(workspace))
    kernel = lab.start_kernel()
    lab.run("kept = 42", kernel)
    before = _lasting(platform.home, workspace)
    platform.end(signal.SIGKILL)
    assert before == _lasting(platform.home, workspace)

    platform = up(port=platform.port)
    assert "running" == client.show(workspace)["status"]
    assert before == _lasting(platform.home, workspace)
    assert lab.token == client.link(workspace).params["token"]
    assert "42" == lab.run("print(kept)", kernel).strip()
    assert {"1"} == _attempts(client, workspace)

    client.do("stop", workspace)
    client.wait_for(workspace, "stopped")
    assert {} == platform.home.processes(workspace)


@pytest.mark.parametrize("moment", ["accepted", "server"])
def test_a_start_that_the_platform_was_killed_in_makes_exactly_one_server(up, moment):
    platform = up()
    client = platform.client()
    workspace = client.create("half")
    client.do("start", workspace)
    if moment == "server":
        until(lambda: platform.home.servers(workspace), "a server", every=0.005)
    platform.end(signal.SIGKILL)

    platform = up(port=platform.port)
    client.wait_for(workspace, "running")
    assert 1 == len(platform.home.keepers(workspace))
    assert 1 == len(platform.home.servers(workspace))
    assert 200 == Lab(client.link(workspace)).http.get("/api/status").status_code
    (pod,) = client.pods(workspace)
    assert "running" == pod["status"]


def test_a_stop_and_a_deletion_that_the_platform_was_killed_in_happen(up):
    platform = up()
    client = platform.client()
    stopped, deleted = client.create("stopped"), client.create("deleted")
    for workspace in (stopped, deleted):
        client.do("start", workspace)
    for workspace in (stopped, deleted):
        client.wait_for(workspace, "running")
    client.do("stop", stopped)
    client.delete(deleted)
    platform.end(signal.SIGKILL)

    platform = up(port=platform.port)
    client.wait_for(stopped, "stopped")
    until(lambda: not platform.home.processes(deleted), "the end of the deleted one")
    trash, homes = platform.home.path / "trash", platform.home.path / "homes"
    until(lambda: list(trash.glob(f"{deleted}-*")), "its home in the trash")
    assert [stopped] == [path.name for path in homes.iterdir()]
    assert {} == platform.home.processes(stopped)


def test_what_ran_before_the_machine_went_down_runs_again(up):
    """All processes are gone, the data is kept; a real restart also gives the boot a new name."""
    platform = up()
    client, home = platform.client(), platform.home
    same_boot, other_boot, stopped = (client.create(name) for name in ("same", "other", "stopped"))
    for workspace in (same_boot, other_boot):
        client.do("start", workspace)
    for workspace in (same_boot, other_boot):
        client.wait_for(workspace, "running")
        Lab(client.link(workspace)).run("open('kept.txt', 'w').write('kept')")
    platform.process.kill()
    home.kill_all()
    (intent,) = home.path.glob(f"workloads/{other_boot}/*/*/pod.json")
    intent.write_text(json.dumps(json.loads(intent.read_text()) | {"boot": "an earlier one"}))

    up(port=platform.port)
    for workspace in (same_boot, other_boot):
        until(lambda workspace=workspace: _attempts(client, workspace) == {"2"}, "attempt 2")
        client.wait_for(workspace, "running")
        assert 1 == len(home.servers(workspace))
        said = Lab(client.link(workspace)).run("print(open('kept.txt').read())")
        assert "kept" == said.strip()
    assert "stopped" == client.show(stopped)["status"]
    assert {} == home.processes(stopped)


def test_ctrl_c_ends_the_platform_soon_and_servers_go_on(up):
    platform = up()
    client = platform.client()
    workspace = client.create("goes-on")
    client.start(workspace)
    before = _lasting(platform.home, workspace)
    began = time.monotonic()
    assert 0 == platform.end(signal.SIGINT)
    assert time.monotonic() - began < 10
    assert "Stopping; servers go on running" in platform.out.read_text().splitlines()[-1]
    assert "Traceback" not in platform.err.read_text()
    assert before == _lasting(platform.home, workspace)


def test_stop_workloads_ends_servers_and_keeps_the_wish(up):
    platform = up("--stop-workloads")
    client = platform.client()
    workspace = client.create("returns")
    client.start(workspace)
    assert 0 == platform.end()
    assert {} == platform.home.processes()

    up(port=platform.port)
    until(lambda: _attempts(client, workspace) == {"2"}, "the next attempt")
    client.wait_for(workspace, "running")
    assert 1 == len(platform.home.servers(workspace))


def test_a_first_build_that_is_stopped_ends_at_once_and_goes_on_at_the_next_start(first_start):
    assert 0 == first_start.exit_code
    assert {} == first_start.left
    assert first_start.seconds < 10


def _lasting(home, workspace):
    """Return what must go on; JupyterLab starts and ends helpers of its own beside it."""
    keepers, servers = home.keepers(workspace), home.servers(workspace)
    assert (1, 1) == (len(keepers), len(servers))
    return keepers, servers


def _attempts(client, workspace):
    return {pod["labels"]["cassini/attempt"] for pod in client.pods(workspace)}
