from datetime import datetime

import pytest

from tests.api.resources.pods import MADE_AT, pod, started

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def history(client, resource_id):
    answer = await client.get(f"/api/workspaces/{resource_id}/history")
    assert answer.status_code == 200
    return answer.json()["pods"]


def seconds(text):
    assert text.endswith("+00:00")
    return datetime.fromisoformat(text).timestamp()


async def test_a_pod_shows_all_that_the_contract_and_sc_read(world, admin):
    resource_id = await started(admin)
    await world.workload(resource_id, "running", pods=(pod(resource_id),))
    world.clock.time += 3600
    (shown,) = await history(admin, resource_id)
    assert shown.keys() >= {
        *("pod_name", "status", "last_seen", "start_time", "end_time", "label_job_name"),
        *("reason", "message", "exit_code"),
    }
    assert (shown["status"], shown["end_time"], shown["label_job_name"]) == ("running", None, None)
    assert seconds(shown["start_time"]) == MADE_AT + 1001
    assert seconds(shown["last_seen"]) == pytest.approx(world.clock.time, abs=1)


async def test_what_is_gone_was_seen_last_when_it_went(world, admin):
    resource_id = await started(admin)
    await world.workload(resource_id, "running", pods=(pod(resource_id),))
    await world.workload(resource_id, "stopped", pods=())
    went = world.clock.time
    world.clock.time += 3600
    (shown,) = await history(admin, resource_id)
    assert shown["status"] == "stopped"
    assert seconds(shown["last_seen"]) == pytest.approx(went, abs=1)
    assert seconds(shown["end_time"]) == pytest.approx(went, abs=1)


async def test_a_workspace_that_never_ran_has_had_no_pods(admin):
    made = (await admin.post("/api/workspaces", json={"name": "first"})).json()
    assert await history(admin, made["id"]) == []


async def test_merged_with_what_is_live_each_pod_is_there_once_with_one_start(world, admin):
    """As ``sc pods`` does: by name, and what is live counts."""
    resource_id = await started(admin)
    await world.workload(resource_id, "running", pods=(pod(resource_id, attempt=1),))
    await world.workload(
        resource_id, "running", pods=(pod(resource_id, attempt=2, started_at=MADE_AT + 9000),)
    )
    query = {"workload_type": "workspace", "workload_id": resource_id}
    answer = await admin.get("/api/active/pods", params=query)
    live = {each["name"]: each for each in answer.json()["pod_summaries"]}
    past = {each["pod_name"]: each for each in await history(admin, resource_id)}
    assert live.keys() == {f"{resource_id}-1-0-2"}
    assert past.keys() == {f"{resource_id}-1-0-1", f"{resource_id}-1-0-2"}
    for name, each in live.items():
        assert seconds(each["started_at"]) == seconds(past[name]["start_time"])
    # Sorting them must work: all are texts.
    assert sorted(each["start_time"] for each in past.values())
    assert all(isinstance(each["started_at"], str) for each in live.values())


async def test_another_persons_history_does_not_exist(world, admin, ada):
    resource_id = await started(admin)
    answer = await ada.get(f"/api/workspaces/{resource_id}/history")
    assert (answer.status_code, answer.json()["code"]) == (404, "workspace_not_found")
