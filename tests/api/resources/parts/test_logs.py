import pytest

from tests.api.resources.pods import pod, started

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def resource(world, admin):
    """A workspace that was started, crashed, came again and was stopped; its pods are gone."""
    resource_id = await started(admin)
    await world.workload(resource_id, "pending", pods=(pod(resource_id, status="error"),))
    await world.workload(resource_id, "running", pods=(pod(resource_id, attempt=2),))
    await world.workload(resource_id, "stopped", pods=())
    world.logs.pods[f"{resource_id}-1-0-1"] = ["one", "two"]
    world.logs.pods[f"{resource_id}-1-0-2"] = ["three"]
    return resource_id


async def logs(client, resource_id, **query):
    answer = await client.get(f"/api/workspaces/{resource_id}/logs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lines_of_pods_that_are_gone_come_oldest_first(admin, resource):
    found = await logs(admin, resource)
    assert found["logs"][0] == {
        "timestamp": "2027-01-15T08:00:00+00:00",
        "content": "one",
        "pod_name": f"{resource}-1-0-1",
        "container_name": "main",
    }
    assert [each["content"] for each in found["logs"]] == ["one", "two", "three"]
    assert (found["prev_key"], found["next_key"]) == (None, None)


async def test_lines_come_in_pages_over_all_pods(admin, resource):
    first = await logs(admin, resource, page_size=2)
    second = await logs(admin, resource, page_size=2, next_key=first["next_key"])
    assert [each["content"] for each in second["logs"]] == ["three"]
    assert second["next_key"] is None
    back = await logs(admin, resource, page_size=2, prev_key=second["prev_key"])
    assert back["logs"] == first["logs"]


async def test_ten_thousand_lines_are_paged_and_no_page_reads_more_than_it_shows(
    world, admin, resource
):
    name = f"{resource}-1-0-2"
    world.logs.pods[name] = [f"line {n}" for n in range(10_000)]
    found, key = [], ""
    while key is not None:
        page = await logs(admin, resource, pod_name=name, page_size=1000, next_key=key)
        found += [each["content"] for each in page["logs"]]
        key = page["next_key"]
    assert found == world.logs.pods[name]
    assert {lines for _, _, lines in world.logs.read} == {1001}
    assert len(world.logs.read) == 10


async def test_one_pod_is_read_if_only_that_is_asked_for(world, admin, resource):
    name = f"{resource}-1-0-1"
    found = await logs(admin, resource, pod_name=name)
    assert [each["content"] for each in found["logs"]] == ["one", "two"]
    assert {pod for pod, _, _ in world.logs.read} == {name}


@pytest.mark.parametrize("name", ["nobody", "0" * 32 + "-1-0-1", "../../etc/passwd"])
async def test_a_pod_that_nobody_knows_printed_nothing(world, admin, resource, name):
    assert (await logs(admin, resource, pod_name=name))["logs"] == []
    assert world.logs.read == []


async def test_a_pod_of_another_workspace_printed_nothing_here(world, admin, resource):
    other = await started(admin, "second")
    await world.workload(other, "running", pods=(pod(other),))
    world.logs.pods[f"{other}-1-0-1"] = ["of another"]
    assert (await logs(admin, resource, pod_name=f"{other}-1-0-1"))["logs"] == []


@pytest.mark.parametrize("size", [0, 1001])
async def test_a_page_has_up_to_a_thousand_lines(admin, resource, size):
    path = f"/api/workspaces/{resource}/logs"
    assert (await admin.get(path, params={"page_size": size})).status_code == 400


async def test_a_key_of_one_list_opens_no_other(admin, resource):
    key = (await logs(admin, resource, page_size=1))["next_key"]
    query = {"next_key": key, "pod_name": f"{resource}-1-0-1"}
    answer = await admin.get(f"/api/workspaces/{resource}/logs", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_page_key")


async def test_another_persons_logs_do_not_exist(ada, resource):
    answer = await ada.get(f"/api/workspaces/{resource}/logs")
    assert (answer.status_code, answer.json()["code"]) == (404, "workspace_not_found")


async def test_a_deleted_workspaces_logs_do_not_exist(admin, resource):
    await admin.delete(f"/api/workspaces/{resource}", params={"allow_active": True})
    assert (await admin.get(f"/api/workspaces/{resource}/logs")).status_code == 404
