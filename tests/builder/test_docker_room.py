"""The disk budget, on a real engine, with images that take a moment to make."""

import io
import os
import tarfile
import time

import pytest

from services.builder.backends.docker.backend import LABEL
from services.builder.backends.docker.engine import Engine
from services.builder.backends.docker.room import make_room

pytestmark = [
    pytest.mark.docker,
    pytest.mark.blocks_loop(reason="the tests themselves ask the engine"),
]

HOUR = 3600.0
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture
async def sdk(engine):
    made = Engine(None, lambda _: None)
    yield made
    await made.close()


@pytest.fixture
def repository(engine, installation):
    return f"cassini/{installation[:8]}"


@pytest.fixture
def put(engine, repository):
    """Makes an image of a megabyte that no other test has: the engine knows equal ones as one."""

    def make(tag):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            member = tarfile.TarInfo(tag)
            member.size = 1_000_000
            archive.addfile(member, io.BytesIO(os.urandom(member.size)))
        engine.api.import_image_from_data(data.getvalue(), repository, tag)

    return make


@pytest.fixture
def room(sdk, repository):
    async def make(**given):
        options = {"wanted": (), "budget": 0, "now": time.time() + 2 * HOUR, "build_seconds": HOUR}
        await make_room(sdk, repository, **(options | given))
        return {name.partition(":")[2] for name in await sdk.named(repository)}

    return make


async def test_the_longest_unused_image_goes_first_and_no_more_than_needed(put, room):
    for tag in (ONE, TWO, THREE):
        put(tag)
    assert {ONE, TWO, THREE} == await room(budget=3_100_000)
    assert {TWO, THREE} == await room(budget=2_100_000)


async def test_an_image_that_is_named_again_counts_as_used(put, room, sdk, repository):
    for tag in (ONE, TWO):
        put(tag)
    await sdk.tag(f"{repository}:{ONE}", f"{repository}:{ONE}")
    assert {ONE} == await room(budget=1_100_000)


async def test_what_is_wanted_or_in_use_or_new_stays(put, room, engine, repository, installation):
    for tag in (ONE, TWO, THREE):
        put(tag)
    engine.containers.create(f"{repository}:{TWO}", ["/none"], labels={LABEL: installation})
    assert {ONE, TWO, THREE} == await room(now=time.time())
    assert {ONE, TWO} == await room(wanted={ONE})


async def test_what_a_killed_build_left_goes_once_the_build_cannot_run_any_more(put, room):
    put("building-0123")
    put("base-0123")
    assert {"building-0123", "base-0123"} == await room(now=time.time() + HOUR, budget=None)
    assert set() == await room(now=time.time() + 3 * HOUR, budget=None)


async def test_images_of_others_are_not_looked_at(put, room, engine, repository):
    other = f"{repository}-of-another"
    put(ONE)
    engine.images.get(f"{repository}:{ONE}").tag(other, TWO)
    try:
        assert set() == await room()
        assert engine.images.get(f"{other}:{TWO}")
    finally:
        engine.images.remove(f"{other}:{TWO}")
