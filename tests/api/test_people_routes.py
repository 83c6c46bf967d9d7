"""Users, orgs and owners over HTTP, in the contract's shapes."""

import pytest
from sqlmodel import select

from cassini.runtime.errors import Conflict, NotFound
from services.api.auth.models import Org, User
from services.api.people.accounts import (
    ONE_TRUST_DOMAIN,
    create_token,
    create_user,
    ensure_first_admin,
)

USER = {"id", "username", "avatar_url"}
DETAILS = USER | {
    "created_at",
    "full_name",
    "email",
    "admin",
    "locked",
    "locked_reason",
    "is_multiple_ssh_keys",
    "active",
}
ORG = {
    "id",
    "created_at",
    "avatar_url",
    "name",
    "email",
    "description",
    "website_url",
    "logo_image_url",
    "limits_id",
    "limits",
    "is_primary",
    "locked",
    "locked_reason",
}


async def test_the_current_user_is_204_without_anybody(client):
    response = await client.get("/api/user")
    assert (response.status_code, response.content) == (204, b"")


async def test_the_current_user_has_the_contracts_fields(client, world):
    answer = (await client.get("/api/user", headers=world.admin.header)).json()
    assert set(answer) == DETAILS
    assert (answer["username"], answer["admin"], answer["active"]) == ("admin", True, True)


async def test_orgs_lists_the_primary_one(client, world):
    answer = (await client.get("/api/orgs", headers=world.owner.header)).json()
    assert set(answer["orgs"][0]) == ORG
    assert (answer["orgs"][0]["name"], answer["orgs"][0]["is_primary"]) == ("main", True)
    none = await client.get("/api/orgs?name=%25", headers=world.owner.header)
    assert none.json()["orgs"] == []


async def test_own_owners_come_with_org_and_user(client, world):
    answer = (await client.get("/api/user/owners", headers=world.owner.header)).json()
    (owner,) = answer["owners"]
    assert (owner["id"], owner["name"]) == (world.owner.owner_id, "main/owner")
    assert set(owner["org"]) == ORG
    assert set(owner["user"]) == DETAILS


async def test_users_are_listed_by_part_of_their_name(client, world):
    answer = await client.get("/api/users?username=OTH", headers=world.owner.header)
    (user,) = answer.json()["users"]
    assert (set(user), user["username"]) == (USER, "other")


async def test_details_of_users_are_for_admins(client, world):
    for query in ("details=true", "email=x"):
        refused = await client.get(f"/api/users?{query}", headers=world.owner.header)
        assert refused.status_code == 403
    shown = await client.get("/api/users?details=True", headers=world.admin.header)
    assert [set(user) for user in shown.json()["users"]] == [DETAILS] * 3


async def test_an_admin_makes_a_user_and_is_told_about_trust(client, world):
    body = {"username": "new-one", "email": "new@x.example", "full_name": "Né Ö"}
    response = await client.post("/api/users", json=body, headers=world.admin.header)
    assert response.status_code == 201
    made = response.json()
    assert made["notice"] == ONE_TRUST_DOMAIN
    assert (made["username"], made["full_name"], made["admin"]) == ("new-one", "Né Ö", False)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"username": "owner"}, 409),
        ({"username": "Bad Name"}, 400),
        ({"username": 5}, 400),
        ({"email": "nothing"}, 400),
        ({"email": "A@B.EXAMPLE", "prevent_duplicate_emails": True}, 409),
        ({"full_name": "x" * 256}, 400),
    ],
)
async def test_bad_new_users_are_refused(client, world, changed, status):
    good = {"username": "first", "email": "a@b.example"}
    await client.post("/api/users", json=good, headers=world.admin.header)
    body = {"username": "second", "email": "c@d.example"} | changed
    response = await client.post("/api/users", json=body, headers=world.admin.header)
    assert response.status_code == status
    listed = await client.get("/api/users?username=second", headers=world.admin.header)
    assert listed.json()["users"] == []


async def test_the_first_run_makes_one_org_and_one_admin_and_later_ones_nothing(api):
    async with api.database.write() as session:
        admin = await ensure_first_admin(session, now=1.0)
        assert (admin.username, admin.is_admin, admin.password_hash) == ("admin", True, None)
    async with api.database.write() as session:
        assert await ensure_first_admin(session, now=2.0) is None
    async with api.database.read() as session:
        assert len((await session.exec(select(User))).all()) == 1
        assert (await session.exec(select(Org))).one().is_primary


async def test_only_the_second_user_brings_the_notice(api):
    async with api.database.write() as session:
        await ensure_first_admin(session, now=1.0)
        made = await create_user(session, "second", now=1.0)
        assert made.notice == ONE_TRUST_DOMAIN
        with pytest.raises(Conflict):
            await create_user(session, "second", now=1.0)
        with pytest.raises(NotFound):
            await create_token(session, api.keys, "nobody", now=1.0)
