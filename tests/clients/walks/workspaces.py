"""workspaces and active: settings first, then one that runs."""

from tests.clients.remote import Operations
from tests.clients.walks.ground import Ground, only, refusal
from tests.system.waiting import until

SENT = {
    "name": "all-settings",
    "owner": "main/admin",
    "description": "everything that can be said",
    "tags": {"team": "stars"},
    "instance_size": "micro",
    "environment_variables": {"GREETING": "hello"},
    "extra_packages": {"pip": "tqdm"},
    "config_files": {".config/stars.toml": {"content": "bright = true\n", "mode": "0600"}},
    "start_script": "echo ready\n",
    "working_dir": "/home/jovyan/workspace/stars",
    "disk_space": "20Gi",
    "auto_shutoff": "6 hours",
    "ide": "jupyter",
    "is_spot": False,
    "start_dind": False,
    "start_ssh": False,
    "self_destruct": False,
}
KINDS = {"cpu", "memory", "network_in", "network_out", "gpu", "gpu_memory"}


def settings(ground: Ground) -> None:
    api = ground.api.workspaces
    made = api.create(SENT)
    assert "main/admin" == made["owner"]["name"]
    packages = made["extra_packages"]
    assert "tqdm" == packages["pip"]
    same = SENT.keys() - {"owner", "extra_packages"}
    assert {name: SENT[name] for name in same} == {name: made[name] for name in same}
    assert ("stopped", False) == (made["status"], made["require_restart"])
    assert 409 == refusal(api.create, SENT)

    assert made == api.get(made["id"])
    assert made == only(api.list(name="all-settings", owner="main/admin")["workspaces"])
    new = {"description": "less", "start_script": None, "environment_variables": {}}
    changed = api.update(made["id"], new)
    assert made | new | {"updated_at": changed["updated_at"]} == changed

    assert api.delete(made["id"]) is None
    assert 404 == refusal(api.get, made["id"])


def what_can_be_chosen(ground: Ground) -> None:
    """Asked for without the client, whose model takes no answer at all: see LATER."""
    info = ground.http.ask("GET", "/api/workspaces/info")
    assert "micro" in {size["name"] for size in info["server_options"]["size"]}
    assert "6 hours" in info["server_options"]["auto_shutoff"]
    made = ground.api.workspaces.create({"name": "defaults"})
    assert info["default_images"]["jupyter"]["CPU"]["id"] == made["image_tag"]["id"]
    assert info["default_sizes"]["CPU"]["name"] == made["instance_size"]


def own_token(ground: Ground) -> None:
    """The token that a resource finds in SATURN_TOKEN: what it may do, and a new one."""
    api = ground.api.workspaces
    workspace = api.create({"name": "with-a-token"})["id"]
    own = api.get_token_info(workspace)
    assert f"workspace:{workspace}" == own["scope"]
    for scope in ("read", None, f"workspace:{workspace} read"):
        assert scope == api.update_token(workspace, {"scope": scope})["scope"]
        assert scope == api.get_token_info(workspace)["scope"]
    assert scope == api.rotate_token(workspace)["scope"]
    assert 400 == refusal(api.update_token, workspace, {"scope": "everything, please"})


def start_one(api: Operations) -> str:
    """Start the workspace that ``one_that_runs`` looks at; what it uses is measured meanwhile."""
    sent = {"name": "runs", "instance_size": "micro", "start_script": "echo begun"}
    workspace = api.workspaces.create(sent)["id"]
    assert "pending" == api.workspaces.start(workspace)["status"]
    return workspace


def one_that_runs(ground: Ground) -> None:
    """Looked at from every side, restarted, stopped and deleted."""
    api, workspace = ground.api.workspaces, ground.started
    ground.http.wait_for(workspace, "running")
    running = api.get(workspace)
    assert running["started_at"] is not None

    pod = active(ground, workspace)
    summary = api.get_runtime_summary(workspace)
    assert ("running", 1, 1) == (summary["status"], summary["scale"], summary["running_count"])
    assert running["disk_space"] == summary["disk_space"]
    assert pod in {past["pod_name"] for past in api.get_pod_history(workspace)["pods"]}
    lines = until(lambda: api.get_logs(workspace, pod_name=pod)["logs"], "historical logs")
    assert any("begun" in line["content"] for line in lines)
    assert {pod} == {line["pod_name"] for line in lines}
    metrics(ground, workspace, pod)

    assert api.restart(workspace, {"debug_mode": True})["debug_mode"]
    ground.http.wait_for(workspace, "running")
    assert pod != only(_pods(ground, workspace))["name"]
    assert 409 == refusal(api.delete, workspace)
    assert api.stop(workspace)["status"] in ("stopping", "stopped")
    ground.http.wait_for(workspace, "stopped")
    assert "stopped" == api.get_runtime_summary(workspace)["status"]
    assert api.delete(workspace, allow_active=True) is None


def active(ground: Ground, workspace: str) -> str:
    """Look at what is active, and return the name of the workspace's pod."""
    resources = ground.api.active.list_resources(resource_type="workspace")["resources"]
    assert (
        "workspace"
        == only([each for each in resources if each["id"] == workspace])["resource_type"]
    )
    pod = only(_pods(ground, workspace))
    shown = ground.api.active.get_pod(pod["name"])
    assert ("running", workspace) == (
        shown["status"],
        shown["labels"]["saturncloud.io/resource-id"],
    )
    container = only(shown["container_summaries"])
    assert ("main", "running") == (container["name"], container["status"])
    logs = ground.api.active.get_pod_logs(pod["name"], container_name="main", page_size=5000)
    assert "begun" in logs["logs"]
    assert 1 == len(ground.api.active.get_pod_logs(pod["name"], page_size=1)["logs"].splitlines())
    return pod["name"]


def metrics(ground: Ground, workspace: str, pod: str) -> None:
    """Wait until the pod was measured once, then look at all that is measured."""
    api = ground.api.workspaces
    measured = until(lambda: api.get_metrics(workspace, type="memory")["memory"], "metrics")
    series = only(measured)
    assert pod == series["pod_name"]
    assert series["data"]
    assert 0 < series["stats"]["min"] <= series["stats"]["avg"] <= series["stats"]["max"]
    assert KINDS == api.get_metrics(workspace).keys()


def _pods(ground: Ground, workspace: str) -> list:
    asked = {"workload_type": "workspace", "workload_id": workspace}
    return ground.api.active.list_pods(**asked)["pod_summaries"]
