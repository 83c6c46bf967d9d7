"""``sc`` through the life of a workspace: started, restarted, stopped, cloned, deleted."""

import json
from dataclasses import dataclass, field

import pytest

from tests.clients.printed import refusal, table

pytestmark = [
    pytest.mark.clients,
    pytest.mark.jupyter,
    pytest.mark.timeout(600),
]


@dataclass
class Life:
    """A workspace that ran twice and is stopped, and what ``sc`` said on the way."""

    id: str
    said: dict[str, str] = field(default_factory=dict)
    pods: list[str] = field(default_factory=list)
    """The pod of each run."""
    debug_mode: bool = False


@pytest.fixture(scope="module")
def life(clients, http, image) -> Life:
    file = clients.home / "twice.json"
    script = 'echo "run number $(cat runs 2>/dev/null | wc -l)"; echo >> runs'
    spec = {"name": "twice", "image": image, "instance_type": "micro", "start_script": script}
    file.write_text(json.dumps({"type": "workspace", "spec": spec}))
    clients.sc("apply", file)
    life = Life(table(clients.sc("list", "workspace", "twice"))[0]["id"])
    life.said["start"] = clients.sc("start", "workspace", "twice")
    http.wait_for(life.id, "running")
    life.pods.append(_live_pod(clients))
    life.said["restart"] = clients.sc("restart", "workspace", "twice", "--debug")
    http.wait_for(life.id, "running")
    life.pods.append(_live_pod(clients))
    life.debug_mode = http.show(life.id)["debug_mode"]
    life.said["stop"] = clients.sc("stop", "workspace", "twice")
    http.wait_for(life.id, "stopped")
    return life


def _live_pod(clients):
    (pod,) = table(clients.sc("pods", "workspace", "twice", "--source", "live"))
    return pod["pod_name"]


def test_every_step_is_told(life):
    assert "Started workspace twice\n" == life.said["start"]
    assert "Restarted workspace twice in debug mode\n" == life.said["restart"]
    assert "Stopped workspace twice\n" == life.said["stop"]


def test_a_restart_with_debug_runs_a_new_pod_in_debug_mode(life):
    assert 2 == len(set(life.pods))
    assert life.debug_mode


def test_after_the_stop_no_pod_is_live(clients, life):
    assert [] == table(clients.sc("pods", "workspace", "twice", "--source", "live"))


def test_history_keeps_both_pods_and_their_times(clients, life):
    pods = table(clients.sc("pods", "workspace", "twice", "--source", "historical"))
    assert life.pods[::-1] == [pod["pod_name"] for pod in pods]
    assert {"stopped"} == {pod["status"] for pod in pods}
    for pod in pods:
        assert "" < pod["start_time"] < pod["end_time"]


def test_logs_are_of_the_last_pod_unless_another_is_named(clients, life):
    assert "run number 1" in clients.sc("logs", "workspace", "twice")
    printed = clients.sc("logs", "workspace", "twice", life.pods[0], "--source", "historical")
    assert "run number 0" in printed
    assert "run number 1" not in printed


def test_a_named_pod_that_is_gone_still_tells_its_logs(clients, life):
    assert "run number 0" in clients.sc("logs", "workspace", "twice", life.pods[0])


@pytest.mark.parametrize(
    ("name", "words", "disk"),
    [
        ("as-it-is", (), "10Gi"),
        ("larger", ("--ide", "jupyter", "--disk-space", "50Gi"), "50Gi"),
    ],
)
def test_a_clone_has_the_settings_and_a_life_of_its_own(clients, life, name, words, disk):
    assert "" == clients.sc("clone", "workspace", "twice", "workspace", name, *words)
    mine, theirs = (
        json.loads(clients.sc("get", "workspace", each, "-o", "json")) for each in (name, "twice")
    )
    assert life.id != mine["state"]["id"]
    assert "stopped" == mine["state"]["status"]
    assert disk == mine["spec"]["disk_space"]
    for setting in ("image", "instance_type", "start_script", "ide", "owner"):
        assert theirs["spec"][setting] == mine["spec"][setting]
    assert [] == table(clients.sc("pods", "workspace", name))


def test_a_clone_for_an_owner_that_is_none_is_refused(clients, life):
    words = ("clone", "workspace", "twice", "workspace", "for-nobody", "--owner", "main/nobody")
    assert "owner" in refusal(clients.sc_fails(*words))["message"]


def test_what_is_stopped_can_be_deleted(clients, image):
    file = clients.home / "short.json"
    spec = {"name": "short", "image": image, "instance_type": "micro"}
    file.write_text(json.dumps({"type": "workspace", "spec": spec}))
    clients.sc("apply", file)
    assert "Deleted workspace short\n" == clients.sc("delete", "workspace", "short")
    assert [] == table(clients.sc("list", "workspace", "short"))
    assert "not_found" in refusal(clients.sc_fails("get", "workspace", "short"))["code"]
