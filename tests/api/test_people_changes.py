"""Changing and deleting users: who may, what follows at once, and that an admin is left."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from services.api.auth.authentication import caller_of_token
from services.api.auth.models import User
from services.api.people.changes import change_user, remove_user
from services.api.people.schemas import UserUpdate


def at(person):
    return f"/api/users/{person.user_id}"


async def test_an_admin_changes_a_user(client, world):
    body = {
        "username": "renamed",
        "full_name": "Né Ö",
        "email": "n@x.example",
        "admin": True,
        "is_multiple_ssh_keys": False,
        "limits_id": None,
    }
    response = await client.patch(at(world.other), json=body, headers=world.admin.header)
    answer = response.json()
    assert response.status_code == 200
    del body["limits_id"]
    assert {name: answer[name] for name in body} == body
    # The token goes on to work, and the new right counts with the next request.
    assert (await client.get("/api/user", headers=world.other.header)).json() == answer
    listed = await client.get("/api/users?details=true", headers=world.other.header)
    assert listed.status_code == 200
    owner = await client.get("/api/user/owners", headers=world.other.header)
    assert owner.json()["owners"][0]["name"] == "main/renamed"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "admin"}, 409, "user_exists"),
        ({"username": "Bad Name"}, 400, "bad_name"),
        ({"username": ""}, 400, "bad_name"),
        ({"username": None}, 400, "invalid_fields"),
        ({"username": "x" * 40}, 400, "invalid_fields"),
        ({"email": "nothing"}, 400, "invalid_fields"),
        ({"email": "x" * 400 + "@x.example"}, 400, "invalid_fields"),
        ({"full_name": "x" * 256}, 400, "invalid_fields"),
        ({"admin": None}, 400, "invalid_fields"),
        ({"active": True, "locked": True}, 400, "contradiction"),
        ({"limits_id": "0" * 32}, 400, "not_offered"),
        ({"is_multiple_ssh_keys": True}, 400, "not_offered"),
    ],
)
async def test_bad_changes_are_refused_and_change_nothing(client, world, body, status, code):
    body = {"full_name": "changed"} | body
    response = await client.patch(at(world.other), json=body, headers=world.admin.header)
    assert (response.status_code, response.json()["code"]) == (status, code)
    kept = await client.get(at(world.other) + "?details=true", headers=world.admin.header)
    assert (kept.json()["username"], kept.json()["full_name"]) == ("other", "")


async def test_an_admins_rights_in_the_org_come_and_go_with_being_one(client, world):
    org = f"/api/orgs/{world.org_id}"
    for is_admin, status in ((True, 200), (False, 403)):
        body = {"admin": is_admin}
        await client.patch(at(world.other), json=body, headers=world.admin.header)
        owners = await client.get("/api/user/owners", headers=world.other.header)
        assert owners.json()["owners"][0]["org_admin"] is is_admin
        answer = await client.patch(org, json={}, headers=world.other.header)
        assert answer.status_code == status


async def test_a_user_changes_themselves_but_no_rights(client, world):
    """The official client always sends ``admin`` and ``locked``: as they are, they do no harm."""
    body = {"email": "n@x.example", "admin": False, "locked": False}
    changed = await client.patch(at(world.other), json=body, headers=world.other.header)
    assert (changed.status_code, changed.json()["email"]) == (200, "n@x.example")
    for right in ({"admin": True}, {"locked": True}, {"active": False}):
        body = {"email": "other@x.example"} | right
        refused = await client.patch(at(world.other), json=body, headers=world.other.header)
        assert refused.status_code == 403
    answer = (await client.get("/api/user", headers=world.other.header)).json()
    assert (answer["email"], answer["admin"]) == ("n@x.example", False)


async def test_nobody_but_an_admin_changes_others(client, world):
    refused = await client.patch(
        at(world.other), json={"full_name": "x"}, headers=world.owner.header
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "user_not_found")


@pytest.mark.parametrize("body", [{"locked": True}, {"active": False}])
async def test_locking_counts_with_the_next_request_and_unlocking_too(client, world, body):
    mine = await world.workspace(world.other)
    resource = await world.resource_token(world.other, mine)
    locked = await client.patch(at(world.other), json=body, headers=world.admin.header)
    assert (locked.json()["locked"], locked.json()["active"]) == (True, False)
    for header in (world.other.header, resource):
        response = await client.get("/api/user", headers=header)
        assert (response.status_code, response.json()["code"]) == (403, "locked")
    await client.patch(at(world.other), json={"locked": False}, headers=world.admin.header)
    assert (await client.get("/api/user", headers=world.other.header)).status_code == 200


async def test_nobody_locks_themselves(client, world):
    await world.person("second", is_admin=True)
    for path in (at(world.admin), "/api/user"):
        response = await client.patch(path, json={"locked": True}, headers=world.admin.header)
        assert (response.status_code, response.json()["code"]) == (409, "own_account")


async def test_nobody_deletes_themselves_by_the_admins_route(client, world):
    await world.person("second", is_admin=True)
    response = await client.delete(at(world.admin), headers=world.admin.header)
    assert (response.status_code, response.json()["code"]) == (409, "own_account")
    assert "DELETE /api/user" in response.json()["message"]


async def test_the_last_admin_stays(client, world):
    locked = await world.person("second", is_admin=True)
    await client.patch(at(locked), json={"locked": True}, headers=world.admin.header)
    for method, path, body in (
        ("PATCH", at(world.admin), {"admin": False}),
        ("PATCH", "/api/user", {"admin": False}),
        ("DELETE", "/api/user", None),
    ):
        response = await client.request(method, path, json=body, headers=world.admin.header)
        assert (response.status_code, response.json()["code"]) == (409, "last_admin")
    await client.patch(at(locked), json={"locked": False}, headers=world.admin.header)
    given_up = await client.patch(
        at(world.admin), json={"admin": False}, headers=world.admin.header
    )
    assert (given_up.status_code, given_up.json()["admin"]) == (200, False)


async def test_two_admins_who_take_each_others_rights_at_once_leave_one(api, world, open_database):
    second = await world.person("second", is_admin=True)

    async def take_from(victim, by, database):
        async with database.write() as session:
            caller = await caller_of_token(session, api.keys, by.token, now=api.clock.now())
            body = UserUpdate.model_validate({"admin": False})
            await change_user(session, caller, victim.user_id, body)

    outcomes = await asyncio.gather(
        take_from(second, world.admin, open_database()),
        take_from(world.admin, second, open_database()),
        return_exceptions=True,
    )
    async with api.database.read() as session:
        admins = (await session.exec(select(User).where(col(User.is_admin)))).all()
    assert len(admins) == 1
    assert sum(outcome is None for outcome in outcomes) == 1


async def test_who_owns_something_is_not_deleted_and_it_is_said_what(client, world):
    workspace_id = await world.workspace(world.other)
    response = await client.delete(at(world.other), headers=world.admin.header)
    assert (response.status_code, response.json()["code"]) == (409, "user_owns_things")
    assert f"the workspace w-{workspace_id[:8]}" in response.json()["message"]
    assert "delete" in response.json()["message"]
    assert (await client.get("/api/user", headers=world.other.header)).status_code == 200


async def test_who_owns_an_image_is_not_deleted(client, world):
    await world.person("second", is_admin=True)
    response = await client.delete("/api/user", headers=world.admin.header)
    assert (response.status_code, response.json()["code"]) == (409, "user_owns_things")
    assert "the image python" in response.json()["message"]


async def test_a_deleted_user_is_gone_with_all_that_proved_them(client, connect, world, api):
    await world.link("other")
    body = {"expires_in": 60}
    pair = (await client.post("/api/tokens", json=body, headers=world.other.header)).json()
    browser = connect()
    form, origin = {"code": await world.link("other")}, {"Origin": "http://localhost:8765"}
    assert (await browser.post("/sign-in", data=form, headers=origin)).status_code == 303
    await world.resource_token(world.other, "0" * 32)  # of a resource that is gone

    response = await client.delete(at(world.other), headers=world.admin.header)

    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/api/user", headers=world.other.header)).status_code == 401
    assert (await browser.get("/api/user")).status_code == 204
    grant = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert (await client.post("/api/auth/token", json=grant)).status_code == 401
    assert (await client.get(at(world.other), headers=world.admin.header)).status_code == 404
    async with api.database.read() as session:
        for table in ("api_token", "refresh_token", "browser_session", "sign_in_link", "owner"):
            dump = str((await session.execute(text(f"SELECT * FROM {table}"))).all())
            assert world.other.user_id not in dump
    again = {"username": "other", "email": "a@b.example"}
    made = await client.post("/api/users", json=again, headers=world.admin.header)
    assert made.status_code == 201


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_what_is_made_while_its_owner_is_deleted_is_a_conflict_and_no_error(
    api, world, client, open_database
):
    """The new thing waits for the deletion, and then has nobody to belong to.

    On SQLite one is written after the other.
    """
    async with api.database.read() as session:
        admin = await caller_of_token(session, api.keys, world.admin.token, now=api.clock.now())
    deleting = replace(api, database=open_database())
    async with deleting.database.write() as session:
        await remove_user(session, deleting, admin, world.other.user_id)
        request = client.post("/api/tokens", json={}, headers=world.other.header)
        making = asyncio.create_task(request)
        session_id = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await somebody_waits_for(api, session_id)
    response = await making
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


async def somebody_waits_for(api, session_id):
    """Return once another connection waits for what this one has locked."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE :id = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(20):
        waiting = 0
        while not waiting:
            async with api.database.read() as session:
                found = await session.execute(text(blocked), {"id": session_id})
                waiting = found.scalar_one()
