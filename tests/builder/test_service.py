"""The builder service, whole, with a backend that builds at once, late, or not at all."""

import asyncio
from datetime import UTC, datetime

import pytest

from cassini.contracts.envelope import envelop
from cassini.contracts.images import ImageDeclaredV1, ImageObservedV1, ImageSpec
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.clock import SystemClock
from cassini.runtime.errors import BackendError, GiveUp
from cassini.runtime.inbox import Inbox
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground, stop_all
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from services.builder.backends.base import BuiltImage
from services.builder.recipe import Recipe
from services.builder.service import BuilderService


class ScriptedImages:
    """An image backend in memory: what it does next is set by the test."""

    def __init__(self):
        self.python = "cpython-3.11"
        self.whole = set()
        self.resolved, self.built = 0, []
        self.errors = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.removal = asyncio.Event()
        self.removal.set()
        self.removing = False

    async def fits(self, recipe):
        return recipe.python == self.python

    async def resolve(self, spec, log):
        self.resolved += 1
        await log("resolving")
        return Recipe(lock=spec.requirements, python=self.python, platform="linux")

    async def build(self, recipe, log):
        await log("building")
        if self.errors:
            raise self.errors.pop(0)
        await self.gate.wait()
        self.built.append(recipe.digest)
        self.whole.add(recipe.digest)
        return BuiltImage(f"/images/{recipe.digest}", recipe.digest)

    async def verify(self, digest):
        return BuiltImage(f"/images/{digest}", digest) if digest in self.whole else None

    async def remove(self, digest):
        self.removing = True
        await self.removal.wait()
        self.whole.discard(digest)

    async def make_room(self, wanted):
        self.wanted = wanted


class Builder:
    """The service on one store; it can be stopped and started again."""

    def __init__(self, open_database, directory):
        self.backend = ScriptedImages()
        self._open_database = open_database
        self._directory = directory

    async def start(self):
        ring = KeyRing(self._directory / "keys")
        self.bus = ProbeBus()
        ground = Ground(
            database=self._open_database(),
            bus=self.bus,
            clock=SystemClock(),
            sealer=ring.sealer(),
            opener=ring.opener(ServiceName.BUILDER),
            exclusive=True,
        )
        self.service = BuilderService(ground, self.backend, self._directory / "build-logs")
        await self.service.start()

    async def stop(self):
        await stop_all([self.service])

    async def declare(self, image_id, requirements="six", *, generation=1, wanted="present"):
        wish = ImageDeclaredV1(
            id=image_id,
            declarer="api",
            generation=generation,
            wanted=wanted,
            spec=ImageSpec(requirements=requirements),
        )
        inbox = Inbox(ServiceName.BUILDER, self.service.database, self.service.handlers)
        now = datetime.now(UTC)
        event = envelop(wish, event_id=new_id(), source="api", time=now)
        assert await inbox.receive([event]) == [None]

    async def fact(self, image_id, status):
        def newest():
            facts = [fact for fact in self.bus.received(ImageObservedV1) if fact.id == image_id]
            return facts[-1] if facts and facts[-1].status == status else None

        return await until(newest)


@pytest.fixture
async def builder(open_database, tmp_path):
    builder = Builder(open_database, tmp_path)
    await builder.start()
    yield builder
    builder.backend.gate.set()
    await builder.stop()


async def test_an_image_is_built_and_its_reference_told(builder):
    image = new_id()

    await builder.declare(image)
    fact = await builder.fact(image, "built")

    assert f"/images/{fact.digest}" == fact.reference
    assert fact.started_at <= fact.finished_at


async def test_the_log_can_be_read_while_the_build_runs_with_the_time_of_each_line(builder):
    image = new_id()
    builder.backend.gate.clear()

    await builder.declare(image)
    await builder.fact(image, "building")
    lines = await until(lambda: _lines(builder, image, 2))

    assert ["resolving", "building"] == [line.text for line in lines]
    assert all(line.at is not None for line in lines)
    assert "building" == await builder.service.last_line()


async def _lines(builder, image, count):
    lines = await builder.service.build_logs(image, lines=10)
    return lines if len(lines) >= count else None


async def test_a_build_that_can_never_work_ends_in_error_with_the_reason(builder):
    image = new_id()
    builder.backend.errors = [GiveUp("there is no package nope", reason="PackageNotFound")]

    await builder.declare(image)
    fact = await builder.fact(image, "error")

    assert ("PackageNotFound", "there is no package nope") == (fact.reason, fact.message)
    assert fact.finished_at is not None


async def test_a_registry_that_is_away_delays_the_build_and_shows_why(builder):
    image = new_id()
    builder.backend.errors = [BackendError("the registry is away")]

    await builder.declare(image)
    await builder.fact(image, "built")
    delayed = [fact for fact in builder.bus.received(ImageObservedV1) if fact.reason]

    assert ["the registry is away"] == [fact.message for fact in delayed]
    assert "pending" == delayed[0].status


async def test_stopping_ends_a_build_and_the_next_start_goes_on_with_the_same_image(builder):
    image = new_id()
    builder.backend.gate.clear()
    await builder.declare(image)
    await until(lambda: _lines(builder, image, 2))

    await builder.stop()
    builder.backend.gate.set()
    await builder.start()
    await builder.fact(image, "built")

    assert 1 == builder.backend.resolved
    assert 1 == len(builder.backend.built)


async def test_an_image_that_is_there_at_the_next_start_is_not_built_again(builder):
    image = new_id()
    await builder.declare(image)
    await builder.fact(image, "built")

    await builder.stop()
    await builder.start()
    await builder.service.join()

    assert 1 == len(builder.backend.built)


async def test_an_image_that_was_removed_behind_our_back_is_built_again_at_the_next_start(builder):
    image = new_id()
    await builder.declare(image)
    await builder.fact(image, "built")

    await builder.stop()
    builder.backend.whole.clear()
    await builder.start()
    await until(lambda: len(builder.backend.built) == 2)

    assert 1 == builder.backend.resolved


async def test_another_python_of_the_platform_makes_another_image(builder):
    image = new_id()
    await builder.declare(image)
    before = await builder.fact(image, "built")

    await builder.stop()
    builder.backend.whole.clear()
    builder.backend.python = "cpython-3.14"
    await builder.start()
    await until(lambda: len(builder.backend.built) == 2)

    assert before.digest not in builder.backend.whole
    assert 2 == builder.backend.resolved


async def test_an_image_that_two_versions_share_is_removed_with_the_second(builder):
    one, other = new_id(), new_id()
    await builder.declare(one)
    await builder.declare(other)
    await builder.fact(one, "built")
    digest = (await builder.fact(other, "built")).digest

    await builder.declare(one, generation=2, wanted="absent")
    await builder.fact(one, "absent")
    assert digest in builder.backend.whole

    await builder.declare(other, generation=2, wanted="absent")
    await builder.fact(other, "absent")
    assert digest not in builder.backend.whole


async def test_an_image_that_all_its_versions_leave_at_once_is_removed(builder):
    one, other = new_id(), new_id()
    await builder.declare(one)
    await builder.declare(other)
    await builder.fact(one, "built")
    digest = (await builder.fact(other, "built")).digest
    builder.backend.removal.clear()

    await builder.declare(one, generation=2, wanted="absent")
    await builder.declare(other, generation=2, wanted="absent")
    builder.backend.removal.set()
    await builder.fact(one, "absent")
    await builder.fact(other, "absent")

    assert digest not in builder.backend.whole


async def test_an_image_that_is_being_removed_is_built_again_after_that(builder):
    one, other = new_id(), new_id()
    await builder.declare(one)
    digest = (await builder.fact(one, "built")).digest
    builder.backend.removal.clear()
    await builder.declare(one, generation=2, wanted="absent")
    await until(lambda: builder.backend.removing)

    await builder.declare(other)
    waiting = await builder.fact(other, "pending")
    builder.backend.removal.set()
    await builder.fact(other, "built")

    assert "being removed" in waiting.message
    assert 2 == builder.backend.built.count(digest)


async def test_room_is_made_knowing_every_digest_that_is_wanted(builder):
    one, other = new_id(), new_id()
    await builder.declare(one, "six")
    first = await builder.fact(one, "built")
    await builder.declare(other, "attrs")
    second = await builder.fact(other, "built")

    assert {first.digest, second.digest} == builder.backend.wanted
