from datetime import datetime

import pytest

from cassini.contracts.resources import Condition
from tests.api.resources.pods import pod, started

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FIELDS = {
    *("active_count", "annotations", "conditions", "controller_kind", "controller_uid"),
    *("deleted_at", "disk_space", "labels", "name", "namespace", "running_count", "scale"),
    *("started_at", "status", "uid"),
}


async def summary(client, resource_id):
    answer = await client.get(f"/api/workspaces/{resource_id}/runtimesummary")
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown.keys() >= FIELDS
    return shown


def counts(shown):
    return shown["status"], shown["scale"], shown["running_count"], shown["active_count"]


async def test_a_workspace_that_never_ran_has_nothing(admin):
    made = (await admin.post("/api/workspaces", json={"name": "first"})).json()
    shown = await summary(admin, made["id"])
    assert counts(shown) == ("stopped", 0, 0, 0)
    assert (shown["started_at"], shown["conditions"]) == (None, [])
    assert shown["name"] == made["k8s_name"]
    assert shown["disk_space"] == made["disk_space"]
    assert shown["labels"]["saturncloud.io/resource-id"] == made["id"]


async def test_the_counts_follow_its_pods(world, admin):
    resource_id = await started(admin)
    assert counts(await summary(admin, resource_id)) == ("pending", 1, 0, 0)
    await world.workload(resource_id, "pending", pods=(pod(resource_id, status="pending"),))
    assert counts(await summary(admin, resource_id)) == ("pending", 1, 0, 1)
    ready = Condition(type="Ready", status=True)
    await world.workload(
        resource_id,
        "running",
        pods=(pod(resource_id, conditions=(ready,)), pod(resource_id, attempt=2, status="error")),
        started_at=1_800_000_000.0,
    )
    shown = await summary(admin, resource_id)
    assert counts(shown) == ("running", 1, 1, 1)
    assert datetime.fromisoformat(shown["started_at"]).timestamp() == 1_800_000_000
    assert [(each["type"], each["status"]) for each in shown["conditions"]] == [("Ready", "True")]
    await admin.post(f"/api/workspaces/{resource_id}/stop")
    await world.workload(resource_id, "stopping", pods=(pod(resource_id, status="stopping"),))
    assert counts(await summary(admin, resource_id)) == ("stopping", 0, 0, 1)
    await world.workload(resource_id, "stopped", pods=())
    assert counts(await summary(admin, resource_id)) == ("stopped", 0, 0, 0)


async def test_another_persons_summary_does_not_exist(admin, ada):
    resource_id = await started(admin)
    answer = await ada.get(f"/api/workspaces/{resource_id}/runtimesummary")
    assert (answer.status_code, answer.json()["code"]) == (404, "workspace_not_found")
