"""``/api/user``: oneself, as whom one may act, and what one prefers."""

import pytest
from sqlmodel import select

from services.api.auth.authentication import caller_of_token
from services.api.auth.models import Org, OwnerRow
from services.api.people.owners import OwnerFields, resolve_owner
from tests.api.contract_fields import DETAILS, ORG

PREFERENCES = "/api/user/preferences"


async def second_org(api, person):
    """Make an org that a person is in too; returns its id and the person's owner there."""
    now = api.clock.now() + 1
    async with api.database.write() as session:
        org = Org(name="second", created_at=now)
        session.add(org)
        await session.flush()
        owner = OwnerRow(org_id=org.id, user_id=person.user_id, created_at=now)
        session.add(owner)
    return org.id, owner.id


async def test_the_current_user_is_204_without_anybody(client):
    response = await client.get("/api/user")
    assert (response.status_code, response.content) == (204, b"")


async def test_the_current_user_has_the_contracts_fields(client, world):
    answer = (await client.get("/api/user", headers=world.admin.header)).json()
    assert set(answer) == DETAILS
    assert (answer["username"], answer["admin"], answer["active"]) == ("admin", True, True)


async def test_one_changes_ones_own_account(client, world):
    body = {"username": "renamed", "full_name": "Né", "email": "n@x.example"}
    answer = await client.patch("/api/user", json=body, headers=world.other.header)
    assert answer.status_code == 200
    shown = (await client.get("/api/user", headers=world.other.header)).json()
    assert {name: shown[name] for name in body} == body
    taken = await client.patch("/api/user", json={"username": "owner"}, headers=world.other.header)
    assert (taken.status_code, taken.json()["code"]) == (409, "user_exists")


async def test_what_is_not_sent_stays(client, world):
    await client.patch("/api/user", json={"full_name": "Né"}, headers=world.admin.header)
    answer = await client.patch("/api/user", json={}, headers=world.admin.header)
    assert (answer.json()["full_name"], answer.json()["admin"]) == ("Né", True)


async def test_one_deletes_ones_own_account_and_the_browser_forgets_it(client, browser):
    origin = {"Origin": "http://localhost:8765"}
    response = await browser.delete("/api/user", headers=origin)
    assert response.status_code == 204
    assert 'cassini=""' in response.headers["set-cookie"]
    assert (await browser.get("/api/user")).status_code == 204


async def test_who_owns_something_does_not_delete_themselves(client, world):
    await world.workspace(world.owner)
    response = await client.delete("/api/user", headers=world.owner.header)
    assert (response.status_code, response.json()["code"]) == (409, "user_owns_things")


async def test_own_owners_come_with_org_and_user(client, world):
    answer = (await client.get("/api/user/owners", headers=world.owner.header)).json()
    (owner,) = answer["owners"]
    assert (owner["id"], owner["name"]) == (world.owner.owner_id, "main/owner")
    assert set(owner["org"]) == ORG
    assert set(owner["user"]) == DETAILS


async def test_owners_of_several_orgs_come_in_pages(client, world, api):
    _, second = await second_org(api, world.owner)
    path = "/api/user/owners?page_size=1"
    first = (await client.get(path, headers=world.owner.header)).json()
    more = f"{path}&next_key={first['next_key']}"
    last = (await client.get(more, headers=world.owner.header)).json()
    ids = [owner["id"] for answer in (first, last) for owner in answer["owners"]]
    assert ids == [world.owner.owner_id, second]
    assert [owner["org"]["name"] for owner in last["owners"]] == ["second"]


async def test_the_primary_org_is_preferred_until_one_says_otherwise(client, world, api):
    org_id, owner_id = await second_org(api, world.owner)
    before = (await client.get(PREFERENCES, headers=world.owner.header)).json()
    assert before["default_org_id"] == world.org_id
    assert before["default_owner"]["id"] == world.owner.owner_id
    assert set(before["default_owner"]["user"]) == DETAILS
    body = {"default_org_id": org_id}
    changed = await client.patch(PREFERENCES, json=body, headers=world.owner.header)
    assert changed.status_code == 200
    after = (await client.get(PREFERENCES, headers=world.owner.header)).json()
    assert changed.json() == after
    assert (after["default_org_id"], after["default_owner"]["id"]) == (org_id, owner_id)


async def test_the_preferred_org_is_meant_where_none_is_named(client, world, api):
    org_id, owner_id = await second_org(api, world.owner)
    body = {"default_org_id": org_id}
    await client.patch(PREFERENCES, json=body, headers=world.owner.header)
    async with api.database.read() as session:
        caller = await caller_of_token(session, api.keys, world.owner.token, now=api.clock.now())
        for reference in (None, "owner", "", OwnerFields(), OwnerFields(name="owner")):
            assert (await resolve_owner(session, caller, reference)).id == owner_id
        named = await resolve_owner(session, caller, "main/owner")
    assert named.id == world.owner.owner_id


async def test_the_official_clients_way_to_set_the_org(client, world, api):
    org_id, _ = await second_org(api, world.owner)
    body = {"user_id": world.owner.user_id, "default_org_id": org_id}
    answer = await client.post(PREFERENCES, json=body, headers=world.owner.header)
    assert (answer.status_code, answer.json()["default_org_id"]) == (200, org_id)


async def test_an_admin_sets_the_org_of_others_and_nobody_else_does(client, world, api):
    org_id, owner_id = await second_org(api, world.owner)
    body = {"user_id": world.owner.user_id, "default_org_id": org_id}
    refused = await client.post(PREFERENCES, json=body, headers=world.other.header)
    assert (refused.status_code, refused.json()["code"]) == (404, "user_not_found")
    answer = await client.post(PREFERENCES, json=body, headers=world.admin.header)
    assert answer.json()["default_owner"]["id"] == owner_id
    own = (await client.get(PREFERENCES, headers=world.admin.header)).json()
    assert own["default_org_id"] == world.org_id


@pytest.mark.parametrize("org_id", ["0" * 32, "x", ""])
async def test_an_org_that_is_not_there_cannot_be_preferred(client, world, org_id):
    body = {"default_org_id": org_id}
    response = await client.patch(PREFERENCES, json=body, headers=world.owner.header)
    assert (response.status_code, response.json()["code"]) == (404, "org_not_found")


async def test_an_org_one_is_not_in_cannot_be_preferred(client, world, api):
    await world.stranger()
    async with api.database.read() as session:
        org = (await session.exec(select(Org).where(Org.name == "elsewhere"))).one()
    body = {"default_org_id": org.id}
    for person in (world.owner, world.admin):
        response = await client.patch(PREFERENCES, json=body, headers=person.header)
        assert (response.status_code, response.json()["code"]) == (404, "org_not_found")
