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
    assert owner_from_query(**nothing | {"owner_name": "x"}) == OwnerFields(name="x")


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
