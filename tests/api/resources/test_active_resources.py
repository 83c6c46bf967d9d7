import pytest
from sqlalchemy import text
from sqlmodel import select

from services.api.resources.models import ACTIVE, Workspace
from tests.api.resources.pods import started

PATH = "/api/active/resources"


async def names(client, **query):
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["resources"]]


@pytest.fixture
async def four(world, admin, ada):
    """Two that run and one that is stopped are ada's, one that runs is the admin's."""
    first = await started(ada, "first")
    await started(ada, "second")
    await ada.post("/api/workspaces", json={"name": "stopped"})
    gone = await started(ada, "gone")
    await ada.delete(f"/api/workspaces/{gone}", params={"allow_active": True})
    await started(admin, "of-the-admin")
    return first


async def test_what_is_not_stopped_of_the_caller_is_listed_as_a_resource(ada, four):
    assert await names(ada) == ["first", "second"]
    (shown, _) = (await ada.get(PATH)).json()["resources"]
    assert shown == (await ada.get(f"/api/workspaces/{four}")).json()
    assert shown["resource_type"] == "workspace"


async def test_an_error_is_active_and_what_was_stopped_is_not(world, ada, four):
    await world.workload(four, "error")
    assert await names(ada) == ["first", "second"]
    await ada.post(f"/api/workspaces/{four}/stop")
    await world.workload(four, "stopped")
    assert await names(ada) == ["second"]


async def test_an_admin_sees_those_of_an_owner_an_org_and_all(admin, ada, four):
    user = (await ada.get("/api/user")).json()
    org = (await ada.get(f"/api/workspaces/{four}")).json()["owner"]["org_id"]
    everything = ["first", "second", "of-the-admin"]
    assert await names(admin) == ["of-the-admin"]
    assert await names(admin, user_id=user["id"]) == ["first", "second"]
    assert await names(admin, list_by="org") == everything
    assert await names(admin, list_by="org", org_id=org) == everything
    assert await names(admin, list_by="org", org_id="0" * 32) == []
    assert await names(admin, list_by="account") == everything


@pytest.mark.parametrize("whose", ["org", "account"])
async def test_others_see_neither_an_orgs_nor_all(ada, four, whose):
    answer = await ada.get(PATH, params={"list_by": whose})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_another_owners_cannot_be_asked_for(admin, ada, four):
    admins = (await admin.get("/api/user")).json()["id"]
    answer = await ada.get(PATH, params={"user_id": admins})
    assert (answer.status_code, answer.json()["code"]) == (404, "owner_not_found")
    answer = await ada.get(PATH, params={"group_id": "0" * 32})
    assert answer.status_code == 404


async def test_they_come_in_pages_and_by_type(ada, four):
    first = (await ada.get(PATH, params={"page_size": 1})).json()
    assert first["prev_key"] is None
    second = (await ada.get(PATH, params={"page_size": 1, "next_key": first["next_key"]})).json()
    assert second["next_key"] is None
    assert [each["name"] for each in first["resources"] + second["resources"]] == [
        "first",
        "second",
    ]
    assert await names(ada, resource_type="workspace") == ["first", "second"]
    assert await names(ada, resource_type="job") == []
    assert (await ada.get(PATH, params={"resource_type": "teapot"})).status_code == 400
    assert (await ada.get(PATH, params={"list_by": "everybody"})).status_code == 400


async def test_all_that_is_active_is_found_by_its_index(world, database):
    query = select(Workspace).where(ACTIVE).order_by(Workspace.created_at, Workspace.id).limit(3)
    async with database.read() as session:
        if not database.is_sqlite:
            await session.execute(text("SET enable_seqscan = off"))
            await session.execute(text("SET enable_bitmapscan = off"))
        dialect = session.get_bind().dialect
        plain = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = (await session.execute(text(f"{explain} {plain}"))).all()
    assert "workspace_active" in str(plan)
