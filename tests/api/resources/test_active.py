from datetime import datetime

import pytest
from sqlalchemy import event

from cassini.contracts.resources import Condition
from services.api.images.models import Image, ImageTag
from tests.api.resources.pods import MADE_AT, pod, started

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


def query(resource_id, **more):
    return {"workload_type": "workspace", "workload_id": resource_id} | more


async def test_a_pod_has_every_field_of_the_contract(world, admin):
    resource_id = await started(admin)
    condition = Condition(type="Ready", status=True, last_transition_time=1_800_000_000.0)
    await world.workload(resource_id, "running", pods=(pod(resource_id, conditions=(condition,)),))

    answer = await admin.get(PATH, params=query(resource_id))

    (summary,) = answer.json()["pod_summaries"]
    assert answer.json().keys() >= {"next_key", "prev_key"}
    assert summary.keys() >= POD
    assert summary["labels"]["saturncloud.io/resource-id"] == resource_id
    assert datetime.fromisoformat(summary["started_at"]).timestamp() == MADE_AT + 1001
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


async def test_the_end_of_its_log_is_read_for_one_pod_and_not_for_a_list(world, admin):
    resource_id = await started(admin)
    pods = tuple(pod(resource_id, rank=rank, status="error") for rank in range(3))
    world.logs.pods = {each.name: ["why it failed"] for each in pods}
    await world.workload(resource_id, "error", pods=pods)

    answer = await admin.get(PATH, params=query(resource_id))

    assert [each["log_tail"] for each in answer.json()["pod_summaries"]] == [[], [], []]
    shown = (await admin.get(f"{PATH}/{pods[1].name}")).json()
    assert shown["log_tail"] == ["why it failed"]
    assert shown["container_summaries"][0]["log_tail"] == ["why it failed"]


async def test_a_pod_out_of_memory_says_so_in_the_contracts_word(world, admin):
    resource_id = await started(admin)
    killed = pod(resource_id, status="error", reason="OOMKilled")
    await world.workload(resource_id, "error", pods=(killed,))

    summary = (await admin.get(f"{PATH}/{killed.name}")).json()

    assert summary["reason"] == "OOMKilled"
    assert summary["container_summaries"][0]["reason"] == "OOMKilled"


async def test_pods_come_in_pages(world, admin):
    resource_id = await started(admin)
    pods = tuple(pod(resource_id, rank=rank) for rank in range(5))
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


async def test_the_attempt_before_is_the_containers_previous_with_its_end_and_its_log(world, admin):
    resource_id = await started(admin)
    crashed = pod(
        resource_id, status="error", exit_code=9, reason="Crashed", finished_at=MADE_AT + 1100
    )
    await world.workload(resource_id, "pending", pods=(crashed,))
    again = pod(resource_id, attempt=2)
    await world.workload(resource_id, "running", pods=(again,))
    world.logs.pods[f"{again.name} previous"] = ["what it said before it crashed"]

    (listed,) = (await admin.get(PATH, params=query(resource_id))).json()["pod_summaries"]

    (container,) = listed["container_summaries"]
    previous = container["previous"]
    assert previous.keys() >= CONTAINER
    assert (previous["name"], previous["status"]) == ("main", "error")
    assert (previous["exit_code"], previous["status_reason"]) == (9, "Crashed")
    assert datetime.fromisoformat(previous["finished_at"]).timestamp() == MADE_AT + 1100
    assert previous["previous"] is None
    assert listed == (await admin.get(f"{PATH}/{again.name}")).json()
    logs = await admin.get(f"{PATH}/{again.name}/logs", params={"previous": True})
    assert logs.json() == {"logs": "what it said before it crashed"}


async def test_the_first_attempt_has_no_previous(world, admin):
    resource_id = await started(admin)
    await world.workload(resource_id, "running", pods=(pod(resource_id),))
    await world.workload(resource_id, "running", pods=(pod(resource_id, revision=2),))

    (listed,) = (await admin.get(PATH, params=query(resource_id))).json()["pod_summaries"]

    assert listed["container_summaries"][0]["previous"] is None


async def test_a_pod_that_is_gone_is_in_no_list_but_shown_by_its_name(world, admin):
    """``sc logs`` with a pod's name asks for the pod first, and fails on 404."""
    resource_id = await started(admin)
    name = pod(resource_id).name
    await world.workload(resource_id, "running", pods=(pod(resource_id),))
    await world.workload(resource_id, "stopped", pods=())
    world.logs.pods[name] = ["its last words"]

    listed = (await admin.get(PATH, params=query(resource_id))).json()["pod_summaries"]
    shown = (await admin.get(f"{PATH}/{name}")).json()

    assert listed == []
    assert shown["status"] == "stopped"
    assert shown["labels"]["saturncloud.io/resource-id"] == resource_id
    (container,) = shown["container_summaries"]
    assert container["name"] == "main"
    assert datetime.fromisoformat(container["finished_at"])
    assert (await admin.get(f"{PATH}/{name}/logs")).json() == {"logs": "its last words"}


async def test_a_remembered_pod_that_printed_nothing_has_an_empty_log(world, admin):
    resource_id = await started(admin)
    await world.workload(resource_id, "running", pods=(pod(resource_id),))
    await world.workload(resource_id, "stopped", pods=())

    answer = await admin.get(f"{PATH}/{pod(resource_id).name}/logs")

    assert (answer.status_code, answer.json()) == (200, {"logs": ""})


async def test_all_pods_have_a_start_so_that_clients_can_sort_by_it(world, admin):
    resource_id = await started(admin)
    pods = (
        pod(resource_id, rank=0),
        pod(resource_id, rank=1, created_at=None),
        pod(resource_id, rank=2, created_at=None, started_at=MADE_AT),
    )
    await world.workload(resource_id, "running", pods=pods)

    listed = (await admin.get(PATH, params=query(resource_id))).json()["pod_summaries"]

    assert all(isinstance(each["started_at"], str) for each in listed)
    assert sorted(each["started_at"] for each in listed)


async def test_a_list_of_many_pods_takes_as_many_statements_as_one_of_one(world, admin):
    resource_id = await started(admin)
    statements = []
    engine = world.ground.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    counts = []
    for count in (1, 40):
        pods = tuple(pod(resource_id, rank=rank, attempt=2) for rank in range(count))
        await world.workload(resource_id, "running", pods=pods)
        statements.clear()
        await admin.get(PATH, params=query(resource_id))
        counts.append(len(statements))
    assert counts[0] == counts[1]


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


async def test_a_build_of_another_persons_image_does_not_exist(world, admin, ada):
    mine = {"id": "c" * 32, "created_at": 1.0}
    async with world.ground.database.write() as session:
        owner_id = (await session.get(Image, world.tag.image_id)).owner_id
        session.add(Image(**mine, owner_id=owner_id, name="private", access="owner"))
        await session.flush()
        version = {"image_id": mine["id"], "version": "1", "image_uri": "private:1"}
        session.add(ImageTag(**mine, **version))
    asked = {"workload_type": "image_build", "workload_id": mine["id"]}

    theirs = await ada.get(PATH, params=asked)
    nobodys = await ada.get(PATH, params=asked | {"workload_id": "0" * 32})

    assert (await admin.get(PATH, params=asked)).status_code == 200
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() == nobodys.json()
