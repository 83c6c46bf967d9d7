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


@pytest.mark.parametrize("body", [{"scope": "x"}, {"refresh_expires_in": 60}])
async def test_what_is_not_offered_yet_is_refused_and_not_ignored(client, world, body):
    response = await client.post("/api/tokens", json=body, headers=world.owner.header)
    assert (response.status_code, response.json()["code"]) == (400, "not_offered")
