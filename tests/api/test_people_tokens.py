"""``/api/tokens``: shapes, statuses, and whose tokens they are."""

import pytest

INFO = {
    "id",
    "description",
    "created_at",
    "expires_at",
    "refresh_expires_at",
    "scope",
    "user_id",
    "group_id",
}


async def test_the_text_is_in_the_first_answer_only(client, world):
    body = {"description": "ci", "expires_in": 3600}
    response = await client.post("/api/tokens", json=body, headers=world.owner.header)
    made = response.json()
    assert response.status_code == 201
    assert set(made) == INFO | {"access_token", "refresh_token"}
    assert made["expires_at"] == "2027-01-15T09:00:00+00:00"
    path = f"/api/tokens/{made['id']}"
    got = await client.get(path, headers=world.owner.header)
    listed = await client.get("/api/tokens", headers=world.owner.header)
    patched = await client.patch(path, json={"description": "y"}, headers=world.owner.header)
    assert set(got.json()) == set(patched.json()) == INFO
    for each in (got, listed, patched):
        assert made["access_token"] not in each.text
    assert patched.json()["description"] == "y"


async def test_delete_revokes_and_the_token_is_gone_from_sight(client, world):
    made = (await client.post("/api/tokens", json={}, headers=world.owner.header)).json()
    path = f"/api/tokens/{made['id']}"
    assert (await client.delete(path, headers=world.owner.header)).status_code == 204
    for method in ("GET", "DELETE"):
        response = await client.request(method, path, headers=world.owner.header)
        assert (response.status_code, response.json()["code"]) == (404, "token_not_found")
    listed = await client.get("/api/tokens", headers=world.owner.header)
    assert made["id"] not in [each["id"] for each in listed.json()["tokens"]]


@pytest.mark.parametrize("identity", ["other", "main/other", {"user_id": None}])
async def test_only_an_admin_makes_tokens_for_others(client, world, identity):
    if isinstance(identity, dict):
        identity = {"user_id": world.other.user_id}
    body = {"identity": identity}
    refused = await client.post("/api/tokens", json=body, headers=world.owner.header)
    assert refused.status_code == 404
    made = await client.post("/api/tokens", json=body, headers=world.admin.header)
    assert (made.status_code, made.json()["user_id"]) == (201, world.other.user_id)


async def test_an_admin_lists_the_tokens_of_others_and_nobody_else_does(client, world):
    for query in (f"user_id={world.owner.user_id}", "identity=owner"):
        refused = await client.get(f"/api/tokens?{query}", headers=world.other.header)
        assert refused.status_code == 404
        shown = await client.get(f"/api/tokens?{query}", headers=world.admin.header)
        assert [each["user_id"] for each in shown.json()["tokens"]] == [world.owner.user_id]


async def test_tokens_of_resources_are_not_listed(client, world):
    await world.resource_token(world.owner, await world.workspace(world.owner))
    listed = await client.get("/api/tokens", headers=world.owner.header)
    assert len(listed.json()["tokens"]) == 1


@pytest.mark.parametrize(
    ("lives", "refresh_expires_at", "is_pair"),
    [
        ({}, None, False),
        ({"expires_in": 60}, None, True),
        ({"refresh_expires_in": 60}, "2027-01-15T08:01:00+00:00", True),
        ({"expires_in": 60, "refresh_expires_in": 60}, "2027-01-15T08:01:00+00:00", True),
    ],
)
async def test_what_has_an_end_comes_with_a_refresh_token(
    client, world, lives, refresh_expires_at, is_pair
):
    made = (await client.post("/api/tokens", json=lives, headers=world.owner.header)).json()
    assert (made["refresh_token"] is not None) is is_pair
    assert made["refresh_expires_at"] == refresh_expires_at
    path = f"/api/tokens/{made['id']}"
    got = (await client.get(path, headers=world.owner.header)).json()
    assert got["refresh_expires_at"] == refresh_expires_at
    listed = (await client.get("/api/tokens", headers=world.owner.header)).json()["tokens"]
    shown = {each["id"]: each["refresh_expires_at"] for each in listed}
    assert shown[made["id"]] == refresh_expires_at


async def test_the_end_of_the_newest_refresh_token_is_shown(client, world, clock):
    body = {"refresh_expires_in": 60}
    made = (await client.post("/api/tokens", json=body, headers=world.owner.header)).json()
    clock.advance(30)
    grant = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    await client.post("/api/auth/token", json=grant)
    got = await client.get(f"/api/tokens/{made['id']}", headers=world.owner.header)
    assert got.json()["refresh_expires_at"] == "2027-01-15T08:01:30+00:00"


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "x"},
        {"scope": ""},
        {"scope": "read " * 2000},
        {"refresh_expires_in": 0},
        {"expires_in": 10**12},
        {"identity": "x" * 80},
        {"identity": {"user_id": "x" * 37}},
    ],
)
async def test_what_is_out_of_bounds_is_refused(client, world, body):
    response = await client.post("/api/tokens", json=body, headers=world.owner.header)
    assert response.status_code == 400


async def test_contradictory_identities_are_refused(client, world):
    query = f"identity=owner&user_id={world.other.user_id}"
    response = await client.get(f"/api/tokens?{query}", headers=world.admin.header)
    assert (response.status_code, response.json()["code"]) == (400, "contradiction")
    query = f"identity=owner&user_id={world.owner.user_id}"
    response = await client.get(f"/api/tokens?{query}", headers=world.admin.header)
    assert response.status_code == 200


async def test_groups_have_no_tokens_as_there_are_none(client, world):
    for request in (
        client.get(f"/api/tokens?group_id={'0' * 32}", headers=world.admin.header),
        client.post(
            "/api/tokens", json={"identity": {"group_id": "0" * 32}}, headers=world.admin.header
        ),
    ):
        response = await request
        assert (response.status_code, response.json()["code"]) == (404, "owner_not_found")
