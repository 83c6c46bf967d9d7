"""Every form in which a version of an image can be named, and who may use which."""

import pytest
from pydantic import TypeAdapter, ValidationError

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Invalid
from services.api.auth.authentication import caller_of_token
from services.api.images.models import Image, ImageTag
from services.api.images.references import Attachment, RecipeImage, find_tag

FIELD = "spec.image"
LONG = pytest.param("x" * 513, id="long")
REFERENCE = TypeAdapter(RecipeImage)


class Shelf:
    """Images of two people, and a way to ask for one."""

    def __init__(self, world, people):
        self._database, self._clock = world.ground.database, world.clock
        self.people = people

    async def put(
        self, whose, name, version, *, image=None, access="owner", trusted=False, **changed
    ):
        """Put a version of an image onto the shelf; a new image too where none is given."""
        now = self._clock.now()
        async with self._database.write() as session:
            if image is None:
                owner_id = self.people[whose].default_owner_id
                image = Image(
                    id=new_id(),
                    owner_id=owner_id,
                    name=name,
                    access=access,
                    trusted=trusted,
                    created_at=now,
                )
                session.add(image)
                await session.flush()
            fields = {
                "image_uri": f"registry/{name}:{version}",
                "status": "built",
                "created_at": now,
            }
            tag = ImageTag(id=new_id(), image_id=image.id, version=version, **fields | changed)
            session.add(tag)
        return image, tag.id

    async def find(self, whose, sent, *, current=None, owner_of=None):
        owner_id = self.people[owner_of or whose].default_owner_id
        async with self._database.write() as session:
            tag = await find_tag(
                session,
                self.people[whose],
                REFERENCE.validate_python(sent),
                Attachment(owner_id, FIELD, current),
            )
        return tag.id

    async def refused(self, whose, sent, **kwargs):
        """Return the code of the refusal, which names the field."""
        with pytest.raises(Invalid) as caught:
            await self.find(whose, sent, **kwargs)
        assert caught.value.message.startswith(f"{FIELD}: ")
        return caught.value.code


@pytest.fixture
async def shelf(world):
    people = {}
    for name in ("admin", "ada", "bob"):
        client = await world.user(name)
        token = client.headers["Authorization"].removeprefix("token ")
        async with world.ground.database.read() as session:
            people[name] = await caller_of_token(
                session, world.service.context.keys, token, now=world.clock.now()
            )
    return Shelf(world, people)


async def test_all_forms_of_one_reference_lead_to_the_same_version(shelf):
    _, tag_id = await shelf.put("ada", "mine", "1.0")
    owner = {"id": shelf.people["ada"].default_owner_id}

    for sent in (
        "main/ada/mine:1.0",
        "ada/mine:1.0",
        "mine:1.0",
        "mine",
        {"tag_id": tag_id},
        {"uri": "registry/mine:1.0"},
        {"uri": "registry/mine:1.0", "owner": "main/ada"},
        {"uri": "registry/mine:1.0", "owner": owner, "enforce_trusted": False},
        {"name": "mine", "version": "1.0"},
        {"name": "mine", "version": "1.0", "owner": "ada", "tag_id": None, "uri": None},
        {"name": "mine", "version": "1.0", "owner": {"name": "main/ada"}},
        {"name": "mine", "version": "1.0", "owner": {"user_id": shelf.people["ada"].user_id}},
    ):
        assert await shelf.find("ada", sent) == tag_id, sent


async def test_the_built_in_image_is_found_by_everybody_under_its_owners_name(world, shelf):
    for sent in ("main/admin/cassini-python", "admin/cassini-python", "cassini-python"):
        assert await shelf.find("ada", sent) == world.tag.id


async def test_without_a_version_it_is_the_newest_that_is_built_and_not_archived(shelf):
    image, _ = await shelf.put("ada", "mine", "1")
    _, second = await shelf.put("ada", "mine", "2", image=image)
    await shelf.put("ada", "mine", "3", image=image, archived=True)
    _, fourth = await shelf.put("ada", "mine", "4", image=image, status="building")

    assert await shelf.find("ada", "mine") == second
    assert await shelf.find("ada", "mine:4") == fourth


async def test_a_bare_name_means_ones_own_image_first(shelf):
    _, shared = await shelf.put("admin", "same", "1", access="account")
    _, own = await shelf.put("ada", "same", "1")

    assert await shelf.find("ada", "same:1") == own
    assert await shelf.find("ada", {"uri": "registry/same:1"}) == own
    assert await shelf.find("admin", "same:1") == shared
    assert await shelf.find("admin", "same:1", owner_of="ada") == own


async def test_a_name_that_several_share_is_ambiguous_until_it_says_whose(shelf):
    _, theirs = await shelf.put("admin", "common", "1", access="account", trusted=True)
    await shelf.put("ada", "common", "2", access="account", trusted=True)

    assert await shelf.refused("bob", "common") == "ambiguous_image"
    assert await shelf.find("bob", "common:1") == theirs
    assert await shelf.find("bob", "admin/common") == theirs


async def test_what_may_not_be_used_is_as_if_it_were_not_there(shelf):
    _, private = await shelf.put("ada", "private", "1")

    for sent in (
        "private:1",
        "main/ada/private:1",
        {"tag_id": private},
        {"uri": "registry/private:1"},
        {"name": "private", "version": "1", "owner": "ada"},
    ):
        assert await shelf.refused("bob", sent) == "unknown_image"
    assert await shelf.find("bob", {"tag_id": private}, current=private) == private
    assert await shelf.find("admin", "private:1", owner_of="ada") == private


@pytest.mark.parametrize(
    "sent",
    [
        "nothing",
        "cassini-python:99",
        "nobody/cassini-python",
        "other-org/admin/cassini-python",
        "public.ecr.aws/cloud/python:2025.05.01",
        f"{'x' * 200}/a:1",
        {"tag_id": "f" * 32},
        {"uri": "nobody/nothing:1"},
        {"uri": "registry/x:1", "owner": "NOT A PATH"},
        {"name": "cassini-python", "version": "0.0.0"},
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_not_there_is_refused(shelf, sent):
    assert await shelf.refused("ada", sent) == "unknown_image"


@pytest.mark.parametrize("sent", [":1", "a:", "/a:1", "a/:1", "a/b/c/d:1", "a//b:1", "//:"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_path_of_no_known_form_is_refused_with_the_forms(shelf, sent):
    assert await shelf.refused("ada", sent) == "bad_image"


@pytest.mark.parametrize(
    "sent",
    [5, [], {}, {"name": "a"}, {"version": "1"}, {"tag_id": 5}, {"uri": ["a"]}, "", LONG],
)
def test_what_is_no_reference_at_all_is_refused_once_and_not_for_every_form(sent):
    with pytest.raises(ValidationError) as caught:
        REFERENCE.validate_python(sent)
    places = [error["loc"] for error in caught.value.errors()]
    assert len(places) == len(set(places))
    assert set(places) <= {(), ("name",), ("version",), ("tag_id",), ("uri",)}


async def test_an_archived_version_stays_where_it_is_and_goes_nowhere_else(shelf):
    _, tag_id = await shelf.put("ada", "old", "1", archived=True)

    assert await shelf.refused("ada", "old:1") == "image_archived"
    assert await shelf.find("ada", "old:1", current=tag_id) == tag_id


async def test_somebody_elses_image_must_be_trusted_or_accepted_as_it_is(shelf):
    _, tag_id = await shelf.put("ada", "risky", "1", access="account")

    assert await shelf.refused("bob", "risky:1") == "image_not_trusted"
    assert await shelf.find("bob", {"tag_id": tag_id, "enforce_trusted": False}) == tag_id
    assert await shelf.find("bob", "risky:1", current=tag_id) == tag_id
    assert await shelf.find("ada", "risky:1") == tag_id


async def test_a_version_may_have_any_name(shelf):
    _, tag_id = await shelf.put("ada", "mine", "a/b:c d")

    assert await shelf.find("ada", "main/ada/mine:a/b:c d") == tag_id
