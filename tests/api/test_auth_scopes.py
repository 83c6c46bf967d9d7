"""The words of a scope, and that none of them can be got around."""

import pytest

from cassini.runtime.errors import Invalid
from services.api.auth.scopes import LONGEST_SCOPE, Scope

ID, OTHER = "0123456789abcdef" * 2, "f" * 32


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        (None, Scope()),
        ("read", Scope(read_only=True)),
        (f"workspace:{ID}", Scope(resources=frozenset({ID}))),
        (f"job:{ID} deployment:{OTHER}", Scope(resources=frozenset({ID, OTHER}))),
        (f"read dask:{ID}", Scope(resources=frozenset({ID}), read_only=True)),
        (f"workspace:{ID} read", Scope(resources=frozenset({ID}), read_only=True)),
    ],
)
def test_scopes_that_are_understood(text, scope):
    assert Scope.parse(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "all",
        "READ",
        "read ",
        "read  read",
        f"workspace:{ID}\n",
        "workspace:",
        f"workspace:{ID[:-1]}",
        f"workspace:{ID.upper()}",
        f"image:{ID}",
        " ".join(["read"] * 101),
    ],
)
def test_what_is_no_scope_is_refused_and_never_taken_for_everything(text):
    with pytest.raises(Invalid) as caught:
        Scope.parse(text)
    assert caught.value.code == "bad_scope"


def test_the_longest_scope_fits_its_field():
    text = " ".join([f"deployment:{ID}"] * 100)
    assert Scope.parse(text)
    assert len(text) <= LONGEST_SCOPE


async def test_no_scoped_token_makes_a_token(client, world):
    mine = await world.workspace(world.admin)
    for scope in ("read", f"workspace:{mine}", f"read workspace:{mine}"):
        header = await world.scoped_token(world.admin, scope)
        for body in ({}, {"scope": scope}, {"scope": "read"}):
            response = await client.post("/api/tokens", json=body, headers=header)
            assert response.status_code == 403


async def test_a_scoped_token_of_an_admin_is_no_admin(client, world):
    mine, theirs = await world.workspace(world.admin), await world.workspace(world.other)
    header = await world.scoped_token(world.admin, f"workspace:{mine} workspace:{theirs}")
    assert (await client.get(f"/api/workspaces/{mine}", headers=header)).status_code == 200
    for path in (f"/api/workspaces/{theirs}", "/api/workspaces?owner=other"):
        assert (await client.get(path, headers=header)).status_code == 404
    assert (await client.get("/api/orgs?all_orgs=true", headers=header)).status_code == 403
    patch = await client.patch(f"/api/orgs/{world.org_id}", json={}, headers=header)
    assert patch.status_code == 403


async def test_a_reading_token_of_an_admin_sees_all_and_changes_nothing(client, world):
    theirs = await world.workspace(world.other)
    header = await world.scoped_token(world.admin, "read")
    listed = await client.get("/api/workspaces?owner=other", headers=header)
    assert [each["id"] for each in listed.json()["workspaces"]] == [theirs]
    for method, path in (("PATCH", ""), ("POST", "/start"), ("DELETE", "")):
        url = f"/api/workspaces/{theirs}{path}"
        response = await client.request(method, url, json={}, headers=header)
        assert response.status_code == 403
        assert "'read'" in response.json()["message"]


async def test_a_scoped_token_sees_its_resources_alone_wherever_they_are_listed(client, world):
    mine, another = await world.workspace(world.owner), await world.workspace(world.owner)
    header = await world.scoped_token(world.owner, f"workspace:{mine}")
    listed = (await client.get("/api/workspaces", headers=header)).json()["workspaces"]
    assert [each["id"] for each in listed] == [mine]
    page = (await client.get("/", headers=header)).text
    assert f"w-{mine[:8]}" in page
    assert f"w-{another[:8]}" not in page


async def test_a_resource_token_without_a_scope_acts_for_its_owner_and_no_more(client, world):
    mine, another = await world.workspace(world.admin), await world.workspace(world.admin)
    theirs = await world.workspace(world.other)
    header = await world.resource_token(world.admin, mine, scope=None)
    assert (await client.get(f"/api/workspaces/{another}", headers=header)).status_code == 200
    assert (await client.get(f"/api/workspaces/{theirs}", headers=header)).status_code == 404
    refused = [
        ("GET", "/api/tokens"),
        ("POST", "/api/tokens"),
        ("PATCH", "/api/user"),
        ("DELETE", "/api/user"),
        ("GET", f"/api/users/{world.admin.user_id}"),
        ("GET", f"/api/workspaces/{another}/open"),
        ("POST", f"/api/workspaces/{another}/token"),
        ("PATCH", f"/api/orgs/{world.org_id}"),
    ]
    for method, path in refused:
        response = await client.request(method, path, json={}, headers=header)
        assert response.status_code == 403, path


async def test_the_scope_of_a_token_is_shown(client, world):
    body = {"scope": "read", "description": "looks"}
    made = (await client.post("/api/tokens", json=body, headers=world.owner.header)).json()
    path = f"/api/tokens/{made['id']}"
    assert (await client.get(path, headers=world.owner.header)).json()["scope"] == "read"
    refused = await client.post("/api/tokens", json={"scope": "write"}, headers=world.owner.header)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_scope")


async def test_a_scope_stays_when_a_token_is_refreshed(client, world):
    body = {"scope": "read", "expires_in": 60}
    made = (await client.post("/api/tokens", json=body, headers=world.owner.header)).json()
    grant = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    text = (await client.post("/api/auth/token", json=grant)).json()["access_token"]
    header = {"Authorization": f"Bearer {text}"}
    assert (await client.get("/api/workspaces", headers=header)).status_code == 200
    body = {"name": "made-by-test"}
    refused = await client.post("/api/workspaces", json=body, headers=header)
    assert refused.status_code == 403
