"""The ways to name an owner, and that strangers' owners are not there."""

import pytest

from cassini.runtime.errors import Invalid, NotFound
from services.api.auth.authentication import caller_of_token
from services.api.auth.names import check_name, split_path
from services.api.people.owners import (
    OwnerFields,
    OwnerOut,
    owner_from_query,
    owners_by_id,
    resolve_owner,
)


@pytest.fixture
async def resolve(api, world):
    async def ask(person, reference):
        async with api.database.read() as session:
            caller = await caller_of_token(session, api.keys, person.token, now=api.clock.now())
            return await resolve_owner(session, caller, reference)

    return ask


async def test_every_form_names_the_same_owner(resolve, world):
    org_id = (await resolve(world.owner, None)).org_id
    forms = [
        None,
        "owner",
        "main/owner",
        "main/",
        "",
        OwnerFields(name="owner"),
        OwnerFields(name="main/owner"),
        OwnerFields(id=world.owner.owner_id),
        OwnerFields(user_id=world.owner.user_id, org_id=org_id),
        OwnerFields(user_id=world.owner.user_id),
        OwnerFields(org_id=org_id),
        OwnerFields(),
    ]
    for form in forms:
        owner = await resolve(world.owner, form)
        assert (owner.id, owner.name) == (world.owner.owner_id, "main/owner")


async def test_a_strangers_owner_is_as_one_that_is_not_there(resolve, world):
    messages = set()
    for form in (
        "other",
        "nobody",
        "elsewhere/owner",
        OwnerFields(id=world.other.owner_id),
        OwnerFields(id="x"),
        OwnerFields(user_id=world.other.user_id),
        OwnerFields(group_id="0" * 32),
        OwnerFields(user_id=world.owner.user_id, org_id="0" * 32),
    ):
        with pytest.raises(NotFound) as caught:
            await resolve(world.owner, form)
        messages.add(caught.value.message)
    assert len(messages) == 1


async def test_parts_that_name_the_same_owner_go_together(resolve, world):
    org_id = (await resolve(world.owner, None)).org_id
    for fields in (
        OwnerFields(id=world.owner.owner_id, name="owner"),
        OwnerFields(id=world.owner.owner_id, name="main/owner", org_id=org_id),
        OwnerFields(name="owner", user_id=world.owner.user_id),
        OwnerFields(id=world.owner.owner_id, user_id=world.owner.user_id, org_id=org_id),
    ):
        assert (await resolve(world.owner, fields)).id == world.owner.owner_id


async def test_parts_that_contradict_each_other_are_invalid(resolve, world):
    org_id = (await resolve(world.owner, None)).org_id
    for person in (world.owner, world.admin):
        for fields in (
            OwnerFields(id=world.owner.owner_id, name="other"),
            OwnerFields(id=world.owner.owner_id, user_id=world.other.user_id),
            OwnerFields(name="owner", user_id=world.other.user_id),
            OwnerFields(name="main/owner", org_id="0" * 32),
            OwnerFields(id=world.owner.owner_id, org_id="0" * 32),
            OwnerFields(user_id=world.owner.user_id, group_id="0" * 32),
            OwnerFields(user_id=world.owner.user_id, group_id="0" * 32, org_id=org_id),
        ):
            with pytest.raises(Invalid) as caught:
                await resolve(person, fields)
            assert caught.value.code == "contradiction"


async def test_an_admin_may_act_as_any_owner(resolve, world):
    assert (await resolve(world.admin, "other")).id == world.other.owner_id


@pytest.mark.parametrize(
    "path", ["Owner", "a/b/c", "-a", "a-", "a--b", "a" * 40, "ä", "/owner", "a b", "owner\n", "\0"]
)
async def test_what_is_no_owners_name_is_invalid(resolve, world, path):
    with pytest.raises(Invalid):
        await resolve(world.owner, path)


@pytest.mark.parametrize("name", ["a", "9", "a-b", "a" * 39, "a-1-b"])
def test_good_names(name):
    assert check_name(name) == name
    assert split_path(f"{name}/{name}") == (name, name)


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a--b", "a" * 40, "ü", "٣", "a\n", "a/b"])
def test_bad_names(name):
    with pytest.raises(Invalid):
        check_name(name)


def test_a_query_that_names_nobody_is_none():
    nothing = dict.fromkeys(("owner", "owner_name", "owner_id", "user_id", "group_id", "org_id"))
    assert owner_from_query(**nothing) is None
    assert owner_from_query(**dict.fromkeys(nothing, "")) is None
    assert owner_from_query(**nothing | {"owner_name": "x"}) == OwnerFields(name="x")
    assert owner_from_query(**nothing | {"owner": "x", "owner_name": "x"}) == OwnerFields(name="x")
    with pytest.raises(Invalid):
        owner_from_query(**nothing | {"owner": "x", "owner_name": "y"})


@pytest.fixture
def forms(world):
    """Every form that names ``owner``: as a body has it, and as a query does."""
    by_id = {"user_id": world.owner.user_id}
    bodies = [
        "owner",
        "main/owner",
        "main/",
        "",
        {},
        {"name": "owner"},
        {"name": "main/owner", "id": None},
        {"id": world.owner.owner_id},
        by_id,
        by_id | {"org_id": world.org_id},
        by_id | {"group_id": None, "org_id": None},
        {"org_id": world.org_id},
    ]
    queries = [
        {},
        {"owner": "owner"},
        {"owner": "main/owner"},
        {"owner": "main/"},
        {"owner_name": "main/owner"},
        {"owner": "owner", "owner_name": "owner"},
        {"owner_id": world.owner.owner_id},
        by_id,
        by_id | {"org_id": world.org_id},
        {"org_id": world.org_id},
        {"owner_id": world.owner.owner_id, "owner": "main/owner"},
    ]
    return bodies, queries


async def test_every_form_is_understood_in_queries(client, world, forms):
    mine = await world.workspace(world.owner)
    for query in forms[1]:
        answer = await client.get("/api/workspaces", params=query, headers=world.owner.header)
        assert [each["id"] for each in answer.json()["workspaces"]] == [mine], query


async def test_every_form_is_understood_in_bodies(client, world, forms):
    for body in [*forms[0], "main/owner"]:
        answer = await client.post(
            "/api/workspaces",
            json={"name": "x", "owner": body, "image_tag_id": "0" * 32},
            headers=world.owner.header,
        )
        # The owner was found, and then there is no such image.
        assert answer.json()["code"] == "unknown_image", body


@pytest.mark.parametrize(
    ("owner", "status", "code"),
    [
        ("Owner", 400, "bad_owner"),
        ("a/b/c", 400, "bad_owner"),
        ("x" * 80, 400, "invalid_fields"),
        ("other", 404, "owner_not_found"),
        ("elsewhere/owner", 404, "owner_not_found"),
        ({"id": "x"}, 404, "owner_not_found"),
        ({"id": "x" * 37}, 400, "invalid_fields"),
        ({"group_id": "0" * 32}, 404, "owner_not_found"),
        ({"name": "owner", "id": "0" * 32}, 400, "contradiction"),
        ({"user_id": "0" * 32, "group_id": "0" * 32}, 400, "contradiction"),
        (5, 400, "invalid_fields"),
        ([], 400, "invalid_fields"),
    ],
)
async def test_bad_owners_are_refused_in_bodies(client, world, owner, status, code):
    body = {"name": "x", "owner": owner}
    answer = await client.post("/api/workspaces", json=body, headers=world.owner.header)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_bad_owners_are_refused_in_queries(client, world):
    for query, status in (
        ({"owner": "Owner"}, 400),
        ({"owner": "x" * 80}, 400),
        ({"owner": "owner", "owner_name": "other"}, 400),
        ({"owner": "owner", "owner_id": world.other.owner_id}, 400),
        ({"owner": "other"}, 404),
        ({"owner_id": world.other.owner_id}, 404),
        ({"group_id": "0" * 32}, 404),
    ):
        answer = await client.get("/api/workspaces", params=query, headers=world.owner.header)
        assert answer.status_code == status, query


async def test_owners_are_shown_as_the_contract_says(api, world, clock):
    async with api.database.read() as session:
        found = await owners_by_id(session, [world.owner.owner_id, "nothing"])
        assert await owners_by_id(session, []) == {}
    assert list(found) == [world.owner.owner_id]
    shown = OwnerOut.of(found[world.owner.owner_id]).model_dump()
    assert shown.pop("avatar_url").startswith("data:image/svg+xml,")
    assert shown == {
        "id": world.owner.owner_id,
        "name": "main/owner",
        "identity_name": "owner",
        "org_name": "main",
        "created_at": "2027-01-15T08:00:00+00:00",
        "org_admin": False,
        "org_id": found[world.owner.owner_id].org_id,
        "user_id": world.owner.user_id,
        "group_id": None,
        "identity_type": "user",
    }
