from datetime import datetime

import pytest

from cassini.contracts.resources import Condition
from cassini.contracts.workloads import PodObserved

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATH = "/api/active/pods"
POD = {
    "annotations",
    "completed_at",
    "conditions",
    "container_summaries",
    "controller_kind",
    "controller_uid",
    "deleted_at",
    "init_container_summaries",
    "labels",
    "name",
    "namespace",
    "node_name",
    "reason",
    "started_at",
    "status",
    "uid",
}
CONTAINER = POD - {"completed_at", "container_summaries", "init_container_summaries", "node_name"}
CONTAINER |= {"exit_code", "finished_at", "image_pulled", "previous", "restart_policy"}


async def started(client):
    made = (await client.post("/api/workspaces", json={"name": "first"})).json()
    await client.post(f"/api/workspaces/{made['id']}/start")
    return made["id"]


def query(resource_id, **more):
    return {"workload_type": "workspace", "workload_id": resource_id} | more


def pod(resource_id, rank=0, **seen):
    fact = {
        "name": f"{resource_id}-1-{rank}-1",
        "rank": rank,
        "attempt": 1,
        "revision": 1,
        "status": "running",
        "started_at": 1_800_000_000.0,
    }
    return PodObserved(**(fact | seen))


async def test_a_pod_has_every_field_of_the_contract(world, admin):
    resource_id = await started(admin)
    condition = Condition(type="Ready", status=True, last_transition_time=1_800_000_000.0)
    await world.workload(resource_id, "running", pods=(pod(resource_id, conditions=(condition,)),))

    answer = await admin.get(PATH, params=query(resource_id))

    (summary,) = answer.json()["pod_summaries"]
    assert answer.json().keys() >= {"next_key", "prev_key"}
    assert summary.keys() >= POD
    assert summary["labels"]["saturncloud.io/resource-id"] == resource_id
    assert datetime.fromisoformat(summary["started_at"]).timestamp() == 1_800_000_000
    assert summary["conditions"][0].keys() >= {"type", "status", "last_probe_time"}
    assert summary["conditions"][0]["status"] == "True"
    (container,) = summary["container_summaries"]
    assert container.keys() >= CONTAINER
    assert (container["name"], container["status"]) == ("main", "running")
    assert container["restart_policy"] in {"Always", "Never", "OnFailure"}
    assert summary == (await admin.get(f"{PATH}/{summary['name']}")).json()


async def test_a_failed_pod_shows_why_and_the_end_of_its_log(world, admin):
    resource_id = await started(admin)
    failed = pod(
        resource_id,
        status="error",
        exit_code=3,
        reason="StartScriptFailed",
        message="The start script failed.",
    )
    world.logs.pods[failed.name] = [f"line {number}" for number in range(50)]
    await world.workload(resource_id, "error", pods=(failed,))

    summary = (await admin.get(f"{PATH}/{failed.name}")).json()

    assert summary["status"] == "error"
    assert summary["reason"] is None
    assert summary["status_reason"] == "StartScriptFailed"
    assert summary["message"] == "The start script failed."
    assert summary["log_tail"] == [f"line {number}" for number in range(30, 50)]
    assert summary["container_summaries"][0]["exit_code"] == 3


async def test_a_pod_out_of_memory_says_so_in_the_contracts_word(world, admin):
    resource_id = await started(admin)
    killed = pod(resource_id, status="error", reason="OOMKilled")
    await world.workload(resource_id, "error", pods=(killed,))

    summary = (await admin.get(f"{PATH}/{killed.name}")).json()

    assert summary["reason"] == "OOMKilled"
    assert summary["container_summaries"][0]["reason"] == "OOMKilled"


async def test_pods_come_in_pages(world, admin):
    resource_id = await started(admin)
    pods = tuple(pod(resource_id, rank) for rank in range(5))
    await world.workload(resource_id, "running", pods=pods)

    names, key = [], ""
    while key is not None:
        more = {"page_size": 2} | ({"next_key": key} if key else {})
        answer = (await admin.get(PATH, params=query(resource_id, **more))).json()
        names += [each["name"] for each in answer["pod_summaries"]]
        key = answer["next_key"]

    assert names == [each.name for each in pods]


async def test_logs_come_back_as_text_with_the_last_lines(world, admin):
    resource_id = await started(admin)
    running = pod(resource_id)
    await world.workload(resource_id, "running", pods=(running,))
    world.logs.pods |= {running.name: ["one", "two", "three"], f"{running.name} previous": ["old"]}
    path = f"{PATH}/{running.name}/logs"

    async def logs(**params):
        return (await admin.get(path, params=params)).json()

    assert await logs() == {"logs": "one\ntwo\nthree"}
    assert await logs(page_size=2, container_name="main") == {"logs": "two\nthree"}
    assert await logs(previous="True") == {"logs": "old"}
    assert (await admin.get(path, params={"container_name": "other"})).status_code == 404
    assert (await admin.get(path, params={"page_size": 5001})).status_code == 400


async def test_logs_of_an_ended_pod_are_still_there(world, admin):
    resource_id = await started(admin)
    ended = f"{resource_id}-1-0-1"
    world.logs.pods[ended] = ["the end"]
    await world.workload(resource_id, "stopped", pods=())

    assert (await admin.get(f"{PATH}/{ended}/logs")).json() == {"logs": "the end"}
    assert (await admin.get(f"{PATH}/{ended}")).status_code == 404
    assert (await admin.get(f"{PATH}/{resource_id}-9-9-9/logs")).status_code == 404


async def test_a_workspace_without_pods_lists_none(admin):
    made = (await admin.post("/api/workspaces", json={"name": "first"})).json()

    answer = await admin.get(PATH, params=query(made["id"]))

    assert answer.json()["pod_summaries"] == []


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"workload_type": "workspace"}, 400),
        ({"workload_type": "teapot", "workload_id": "x"}, 400),
        ({"workload_type": "workspace", "workload_id": "0" * 32}, 404),
        ({"workload_type": "job", "workload_id": "0" * 32}, 404),
        ({"workload_type": "image_build", "workload_id": "0" * 32}, 404),
    ],
)
async def test_a_bad_question_is_refused(admin, params, status):
    assert (await admin.get(PATH, params=params)).status_code == status


@pytest.mark.parametrize("name", ["x", "../../etc/passwd", f"{'0' * 32}-1-0-1", "0-0-0-0"])
async def test_names_that_are_no_pods_are_not_found(admin, name):
    assert (await admin.get(f"{PATH}/{name}/logs")).status_code == 404


async def test_another_persons_pods_do_not_exist(world, admin, ada):
    resource_id = await started(admin)
    running = pod(resource_id)
    world.logs.pods[running.name] = ["secret"]
    await world.workload(resource_id, "running", pods=(running,))

    assert (await ada.get(PATH, params=query(resource_id))).status_code == 404
    assert (await ada.get(f"{PATH}/{running.name}")).status_code == 404
    assert (await ada.get(f"{PATH}/{running.name}/logs")).status_code == 404
