"""The owner's side on tables: which wishes it keeps, and what it says of them."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from cassini.contracts.credentials import LeaseDeclaredV1, LeaseStatus
from cassini.contracts.images import ImageStatus
from cassini.contracts.protocol import WishVerdict
from cassini.contracts.resources import ServiceName, Wanted
from cassini.runtime.ownership import Ownership
from cassini.runtime.workqueue import WorkQueue
from tests.runtime.things import ID, OTHER_ID, Thing, fact, wish


async def test_a_newer_wish_is_kept_and_wakes_the_reconciler(stage):
    assert await stage.accept(wish(3)) is WishVerdict.ACCEPT

    row = await stage.row()
    assert (row.generation, row.wish_digest) == (3, wish(3).digest())
    assert type(wish(3)).model_validate(row.wish) == wish(3)
    assert row.due_at == stage.clock.now()
    assert await stage.owned.queue.take() == ID


async def test_an_older_wish_is_answered_with_what_is_seen(stage):
    await stage.accept(wish(3))
    await stage.observe(ImageStatus.BUILT)
    said = await stage.send_all()

    for late in (wish(2), wish(3, what="other"), wish(3)):
        verdict = await stage.accept(late)
        expected = WishVerdict.REPEATED if late == wish(3) else WishVerdict.STALE
        assert verdict is expected
        assert await stage.send_all() == said
    assert (await stage.row()).wish_digest == wish(3).digest()


async def test_nothing_is_said_before_anything_was_seen(stage):
    await stage.accept(wish(3))
    await stage.accept(wish(2))

    assert await stage.owned.observe_again(stage.database) == 0
    assert await stage.send_all() == []


async def test_a_wish_of_another_declarer_is_dropped(stage):
    await stage.accept(wish(1))
    await stage.accept(wish(9, declarer="scheduler"))

    assert (await stage.row()).generation == 1


async def test_a_wish_from_a_declarer_of_a_newer_release_keeps_its_digest(stage):
    sent = wish(1).stamped().model_dump(mode="json") | {"wish_digest": "of more fields"}
    await stage.accept(type(wish(1)).model_validate(sent))

    assert (await stage.row()).wish_digest == "of more fields"


async def test_a_fact_names_the_accepted_wish_and_is_said_once(stage):
    await stage.accept(wish(3))

    assert await stage.observe(ImageStatus.PENDING)
    assert not await stage.observe(ImageStatus.PENDING)
    assert await stage.observe(ImageStatus.BUILT)
    first, second = await stage.send_all()
    assert (first.generation, first.wish_digest) == (3, wish(3).digest())
    assert (first.status, second.status) == (ImageStatus.PENDING, ImageStatus.BUILT)
    assert first.sequence == int(stage.clock.now() * 1e6)
    assert second.sequence == first.sequence + 1


async def test_the_same_sight_under_a_new_wish_is_news(stage):
    await stage.accept(wish(1))
    await stage.observe(ImageStatus.BUILT)
    await stage.accept(wish(2))

    assert await stage.observe(ImageStatus.BUILT)
    assert (await stage.send_all())[-1].generation == 2


async def test_sequences_rise_while_the_clock_goes_back(stage):
    await stage.accept(wish(1))
    for status in (ImageStatus.PENDING, ImageStatus.BUILDING, ImageStatus.BUILT):
        await stage.observe(status)
        stage.clock.advance(-3600)

    sequences = [each.sequence for each in await stage.send_all()]
    assert sequences == sorted(set(sequences))


async def test_everything_seen_is_said_again_with_the_same_numbers(stage):
    ids = [f"{number:032x}" for number in range(150)]
    for resource_id in ids:
        await stage.accept(wish(resource_id=resource_id))
    for resource_id in ids[::2]:
        await stage.observe(ImageStatus.BUILT, resource_id)
    said = await stage.send_all()

    assert await stage.owned.observe_again(stage.database) == 75
    again = await stage.send_all()
    assert sorted(again, key=str) == sorted(said, key=str)


async def test_after_a_start_everything_is_said_with_new_numbers(stage):
    """A restored owner: the declarer has seen later facts, and must believe the next one."""
    await stage.accept(wish(1).stamped())
    await stage.observe(ImageStatus.BUILT)
    await stage.send_all()
    stage.clock.advance(10)
    lost = int(stage.clock.now() * 1e6)
    await stage.declare()
    await stage.take(fact(1, lost, digest=wish(1).digest(), status=ImageStatus.ERROR))
    stage.clock.advance(10)
    await stage.send_all()

    await stage.owned.observe_again(stage.database, renumber=True)
    said = (await stage.send_all())[-1]
    assert said.sequence > lost
    assert (await stage.take(said)).keep


async def test_values_are_said_once_and_never_kept(stage):
    leases = Ownership(
        Thing, "lease", outbox=stage.outbox, clock=stage.clock, queue=WorkQueue()
    )  # fmt: skip
    lease = LeaseDeclaredV1(
        id=OTHER_ID, declarer=ServiceName.PROVISIONER, generation=1, wanted=Wanted.PRESENT
    )
    async with stage.database.write() as session:
        row, _ = await leases.accept(session, lease)
        await leases.observe(session, row, status=LeaseStatus.GRANTED, sealed="c2VhbGVk")
    await leases.observe_again(stage.database)
    first, again = await stage.send_all()
    await leases.observe_again(stage.database, renumber=True)
    (third,) = await stage.send_all()

    assert first.sealed == "c2VhbGVk"
    assert (again.sealed, again.sequence) == (None, first.sequence)
    assert third == again  # with a new number it would replace the values at its reader
    assert (await stage.row(OTHER_ID)).fact["sealed"] is None


async def test_a_sooner_wake_up_wins(stage):
    await stage.accept(wish(1))
    async with stage.database.write() as session:
        row = await stage.owned.get(session, ID)
        stage.owned.wake(session, row, after=60)

    assert (await stage.row()).due_at == stage.clock.now()


async def test_one_new_wish_at_two_replicas_is_kept_once(stage, replica):
    outcomes = await asyncio.gather(
        stage.accept(wish(1)), replica.accept(wish(1)), return_exceptions=True
    )

    assert WishVerdict.ACCEPT in outcomes
    others = [each for each in outcomes if each is not WishVerdict.ACCEPT]
    assert len(others) == 1
    assert others[0] is WishVerdict.REPEATED or isinstance(others[0], IntegrityError)
    assert await replica.accept(wish(1)) is WishVerdict.REPEATED


@pytest.mark.parametrize("turn", range(5))
async def test_wishes_at_two_replicas_end_with_the_newest(stage, replica, turn):
    await stage.accept(wish(1))

    await asyncio.gather(stage.accept(wish(3 + turn % 2)), replica.accept(wish(4 - turn % 2)))

    assert (await stage.row()).generation == 4
