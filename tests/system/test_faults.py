"""What a user sees when something of theirs fails, or when a keeper is killed."""

import os
import signal

import pytest

from tests.system.platform import alive
from tests.system.waiting import until

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]

BROKEN = {"content": "raise SystemExit(7)\n"}
STOPS_JUPYTERLAB = {"config_files": {".jupyter/jupyter_server_config.py": BROKEN}}


@pytest.fixture(scope="module")
def client(platform):
    return platform.client()


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        pytest.param(
            {"start_script": "echo just before >&2\nexit 3"},
            "PreparationFailed",
            "just before",
            id="start script",
        ),
        pytest.param(
            {"start_script": "no-such-command --now"},
            "PreparationFailed",
            "no-such-command: command not found",
            id="missing command",
        ),
        pytest.param(
            {"extra_packages": {"pip": "cassini-no-such-package"}},
            "PreparationFailed",
            "No matching distribution found for cassini-no-such-package",
            id="missing package",
        ),
        pytest.param(STOPS_JUPYTERLAB, "Crashed", "cassini: starting", id="main command"),
    ],
)
def test_a_failure_of_their_own_is_an_error_with_its_reason(platform, client, fields, reason, said):
    workspace = client.create("fails", **fields)
    client.do("start", workspace)
    shown = client.wait_for(workspace, "error")
    assert reason == shown["reason"]
    assert "exit code" in shown["message"]
    (listed,) = client.pods(workspace)
    pod = client.ask("GET", f"/api/active/pods/{listed['name']}")
    assert "error" == pod["status"] == listed["status"]
    assert said in "\n".join(pod["log_tail"])
    assert {} == platform.home.processes(workspace)
    client.delete(workspace)


def test_what_failed_runs_once_it_is_corrected(client):
    workspace = client.create("mended", start_script="exit 3")
    client.do("start", workspace)
    client.wait_for(workspace, "error")
    client.ask("PATCH", f"/api/workspaces/{workspace}", {"start_script": "true"})
    client.start(workspace)
    client.delete(workspace)


def test_a_killed_shim_takes_its_server_along_and_the_next_attempt_starts(platform, client):
    workspace = client.create("lost")
    client.start(workspace)
    (shim,), (server,) = platform.home.keepers(workspace), platform.home.servers(workspace)
    os.kill(shim, signal.SIGKILL)
    until(lambda: not alive(server), "the end of the server")
    until(lambda: _attempts(client, workspace) == {"2"}, "attempt 2")
    client.wait_for(workspace, "running")
    assert 1 == len(platform.home.servers(workspace))
    assert 1 == len(platform.home.keepers(workspace))
    client.delete(workspace)


def _attempts(client, workspace):
    return {pod["labels"]["cassini/attempt"] for pod in client.pods(workspace)}
