"""A resource's own token: what it may do, and a new one in its place."""

import asyncio

import pytest
from sqlmodel import col, select

from services.api.auth.models import ApiToken
from services.api.credentials.models import PlatformCredential

PATH = "/api/workspaces"


async def create(client, name="first"):
    answer = await client.post(PATH, json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def start(world, client, resource_id):
    await client.post(f"{PATH}/{resource_id}/start")
    await world.running(resource_id)


async def shown(client, resource_id):
    return (await client.get(f"{PATH}/{resource_id}")).json()


async def rotate(client, resource_id, **body):
    url = f"{PATH}/{resource_id}/token"
    answer = await (client.patch(url, json=body) if body else client.post(url))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def text_of(world, resource_id):
    """Return the token that the secrets service was told to keep last."""
    async with world.ground.database.read() as session:
        query = select(PlatformCredential).where(col(PlatformCredential.resource_id) == resource_id)
        credential = (await session.exec(query)).one()
    return world.value(await world.wish("credential", credential.id))


async def token_client(world, resource_id):
    return world.client(await text_of(world, resource_id))


async def test_a_new_resources_token_is_for_it_alone(world, ada):
    resource_id = await create(ada)
    answer = await ada.get(f"{PATH}/{resource_id}/token")
    assert answer.status_code == 200
    assert set(answer.json()) == {"id", "scope"}
    assert answer.json()["scope"] == f"workspace:{resource_id}"


async def test_a_rotation_ends_the_old_token_and_delivers_a_new_one(world, ada):
    resource_id = await create(ada)
    before = (await ada.get(f"{PATH}/{resource_id}/token")).json()
    old = await token_client(world, resource_id)
    assert (await shown(old, resource_id))["id"] == resource_id

    after = await rotate(ada, resource_id)

    assert after["scope"] == before["scope"]
    assert after["id"] != before["id"]
    assert (await ada.get(f"{PATH}/{resource_id}/token")).json() == after
    assert (await old.get(f"{PATH}/{resource_id}")).status_code == 401
    new = await token_client(world, resource_id)
    assert (await shown(new, resource_id))["id"] == resource_id


async def test_a_change_of_scope_counts_for_the_new_token_only(world, ada):
    mine, another = await create(ada), await create(ada, "second")
    old = await token_client(world, mine)
    everything = await rotate(ada, mine, scope=None)
    assert everything["scope"] is None
    assert (await old.get(f"{PATH}/{mine}")).status_code == 401
    wide = await token_client(world, mine)
    assert (await wide.get(f"{PATH}/{another}")).status_code == 200
    reading = await rotate(ada, mine, scope=f"read workspace:{another}")
    assert reading["scope"] == f"read workspace:{another}"
    narrow = await token_client(world, mine)
    assert (await narrow.get(f"{PATH}/{another}")).status_code == 200
    assert (await narrow.get(f"{PATH}/{mine}")).status_code == 404
    assert (await narrow.post(f"{PATH}/{another}/start")).status_code == 403


async def test_a_scope_that_is_set_stays_through_rotations(world, ada):
    resource_id = await create(ada)
    for scope in ("read", None):
        await rotate(ada, resource_id, scope=scope)
        assert (await rotate(ada, resource_id))["scope"] == scope


async def test_what_runs_must_be_restarted_and_then_has_the_new_token(world, ada):
    resource_id = await create(ada)
    await start(world, ada, resource_id)
    before = (await world.wish("workload", resource_id)).spec.secrets
    assert not (await shown(ada, resource_id))["require_restart"]

    await rotate(ada, resource_id)

    assert (await shown(ada, resource_id))["require_restart"]
    assert (await world.wish("workload", resource_id)).spec.secrets == before
    await ada.post(f"{PATH}/{resource_id}/restart")
    assert not (await shown(ada, resource_id))["require_restart"]
    after = (await world.wish("workload", resource_id)).spec.secrets
    assert after[0].minimum_generation == before[0].minimum_generation + 1


async def test_what_is_stopped_needs_no_restart(world, ada):
    resource_id = await create(ada)
    await rotate(ada, resource_id, scope="read")
    assert not (await shown(ada, resource_id))["require_restart"]
    await start(world, ada, resource_id)
    assert not (await shown(ada, resource_id))["require_restart"]


async def test_a_start_that_waits_for_its_image_takes_the_new_token(world, ada):
    await world.image("building")
    resource_id = await create(ada)
    await ada.post(f"{PATH}/{resource_id}/start")
    await rotate(ada, resource_id)
    await world.image("built")
    (secret,) = (await world.wish("workload", resource_id)).spec.secrets
    assert secret.minimum_generation == 2
    assert not (await shown(ada, resource_id))["require_restart"]


async def test_its_own_token_may_look_and_not_widen_itself(world, ada):
    resource_id = await create(ada)
    own = await token_client(world, resource_id)
    url = f"{PATH}/{resource_id}/token"
    assert (await own.get(url)).json()["scope"] == f"workspace:{resource_id}"
    for answer in (await own.post(url), await own.patch(url, json={"scope": None})):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await own.get(url)).json()["scope"] == f"workspace:{resource_id}"


async def test_no_token_for_a_resource_decides_about_another_one(world, ada):
    mine, another = await create(ada), await create(ada, "second")
    for scope in (None, f"workspace:{mine} workspace:{another}", "read"):
        await rotate(ada, mine, scope=scope)
        token = await token_client(world, mine)
        for resource_id in (mine, another):
            answer = await token.patch(f"{PATH}/{resource_id}/token", json={"scope": None})
            assert answer.status_code == 403


@pytest.mark.parametrize("scope", ["read", "workspace:{id}", "read workspace:{id}"])
async def test_a_scoped_token_of_a_person_decides_nothing(world, ada, scope):
    resource_id = await create(ada)
    made = await ada.post("/api/tokens", json={"scope": scope.format(id=resource_id)})
    scoped = world.client(made.json()["access_token"])
    url = f"{PATH}/{resource_id}/token"
    assert (await scoped.get(url)).status_code == 200
    assert (await scoped.post(url)).status_code == 403
    assert (await scoped.patch(url, json={"scope": None})).status_code == 403


async def test_others_see_nothing_and_an_admin_may(world, ada, admin):
    resource_id = await create(ada)
    url = f"{PATH}/{resource_id}/token"
    other = await world.user("bob")
    for answer in (
        await other.get(url),
        await other.post(url),
        await other.patch(url, json={"scope": None}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "workspace_not_found")
    assert (await rotate(admin, resource_id))["scope"] == f"workspace:{resource_id}"


async def test_the_token_acts_for_the_owner_whoever_rotates_it(world, ada, admin):
    resource_id = await create(ada)
    await rotate(admin, resource_id, scope=None)
    token = await token_client(world, resource_id)
    assert (await token.get("/api/user")).json()["username"] == "ada"


@pytest.mark.parametrize("body", [{}, {"scope": ""}, {"scope": "all"}, {"scope": 5}])
async def test_bad_scopes_are_refused_and_change_nothing(world, ada, body):
    resource_id = await create(ada)
    old = await token_client(world, resource_id)
    answer = await ada.patch(f"{PATH}/{resource_id}/token", json=body)
    assert answer.status_code == 400
    assert (await old.get(f"{PATH}/{resource_id}")).status_code == 200


async def test_a_deleted_resource_has_no_token(world, ada, unknown_id):
    resource_id = await create(ada)
    await ada.delete(f"{PATH}/{resource_id}")
    for each in (resource_id, unknown_id, "x"):
        for method in ("GET", "POST"):
            answer = await ada.request(method, f"{PATH}/{each}/token")
            assert (answer.status_code, answer.json()["code"]) == (404, "workspace_not_found")


async def test_a_token_that_the_store_lost_comes_back_with_its_scope(world, ada):
    resource_id = await create(ada)
    await rotate(ada, resource_id, scope=None)
    await start(world, ada, resource_id)
    (wish,) = (await world.credentials(resource_id)).values()
    await world.credential(wish)
    await world.credential(wish, "lost")
    assert (await ada.get(f"{PATH}/{resource_id}/token")).json()["scope"] is None
    renewed = await token_client(world, resource_id)
    assert (await renewed.get("/api/workspaces")).status_code == 200
    # Nobody asked for that one: what runs goes on with the token it has.
    assert not (await shown(ada, resource_id))["require_restart"]


async def test_two_rotations_at_once_leave_one_token(world, ada):
    resource_id = await create(ada)
    await asyncio.gather(*(rotate(ada, resource_id) for _ in range(4)))
    async with world.ground.database.read() as session:
        live = await session.exec(
            select(ApiToken).where(
                col(ApiToken.resource_id) == resource_id, col(ApiToken.revoked_at).is_(None)
            )
        )
        assert len(live.all()) == 1
    current = await token_client(world, resource_id)
    assert (await current.get(f"{PATH}/{resource_id}")).status_code == 200


async def test_a_rotation_is_in_the_audit_log_without_the_token(world, ada, capsys):
    resource_id = await create(ada)
    capsys.readouterr()
    await rotate(ada, resource_id, scope="read")
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "made anew" in line]
    assert resource_id in line
    assert await text_of(world, resource_id) not in out
