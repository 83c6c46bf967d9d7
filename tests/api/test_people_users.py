"""``/api/users``: who is here, and who is shown to whom."""

import pytest

from services.api.people.accounts import ONE_TRUST_DOMAIN
from tests.api.contract_fields import DETAILS, USER


def at(person):
    return f"/api/users/{person.user_id}"


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


async def test_users_of_another_org_are_there_for_admins_only(client, world):
    stranger = await world.stranger()
    for person, there in ((world.owner, False), (world.admin, True), (stranger, True)):
        got = await client.get(at(stranger), headers=person.header)
        assert got.status_code == (200 if there else 404)
        listed = (await client.get("/api/users", headers=person.header)).json()["users"]
        assert ("stranger" in [user["username"] for user in listed]) is there
    assert (await client.get(at(world.owner), headers=stranger.header)).status_code == 404


async def test_a_user_is_shown_to_all_and_their_details_to_few(client, world):
    shown = await client.get(at(world.other), headers=world.owner.header)
    assert set(shown.json()) == USER
    for person, status in ((world.owner, 403), (world.other, 200), (world.admin, 200)):
        answer = await client.get(at(world.other) + "?details=true", headers=person.header)
        assert answer.status_code == status
        assert status == 403 or set(answer.json()) == DETAILS


@pytest.mark.parametrize("user_id", ["0" * 32, "x", "x" * 500])
async def test_users_that_are_not_there_are_404(client, world, user_id):
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/owners")):
        url = f"/api/users/{user_id}{path}"
        response = await client.request(method, url, json={}, headers=world.admin.header)
        assert (response.status_code, response.json()["code"]) == (404, "user_not_found")


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
        ({"limits_id": "0" * 32}, 400),
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


async def test_owners_of_a_user_are_for_them_and_admins(client, world):
    for person, status in ((world.other, 200), (world.admin, 200), (world.owner, 404)):
        answer = await client.get(at(world.other) + "/owners", headers=person.header)
        assert answer.status_code == status
        if status == 200:
            (owner,) = answer.json()["owners"]
            assert owner["id"] == world.other.owner_id
            assert set(owner["user"]) == DETAILS
            assert answer.json()["next_key"] is None
