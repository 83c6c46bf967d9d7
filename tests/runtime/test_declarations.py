"""The declarer's side on tables: numbers, emission with back-off, jumps, sealed texts."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    CredentialObservedV1,
    CredentialStatus,
)
from cassini.contracts.images import ImageStatus
from cassini.contracts.protocol import OBSERVE_AGAIN_SECONDS, SILENCE_SECONDS
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadObservedV1, WorkloadStatus
from tests.runtime.things import ID, OTHER_ID, fact, wish


async def emitted(stage, seconds):
    """Return the wishes emitted in the next seconds, looked for every second."""
    generations = []
    for _ in range(int(seconds)):
        stage.clock.advance(1)
        await stage.declarations.emit_due(stage.database)
        generations += [each.generation for each in await stage.send_all()]
    return generations


async def test_every_change_raises_the_generation_and_only_some_the_revision(stage):
    changes = [("one", True), ("two", False), ("three", True)]
    declared, sent = [], []
    for what, new_revision in changes:
        declared.append(await stage.declare(what, new_revision=new_revision))
        sent += await stage.send_all()

    assert [each.generation for each in declared] == [1, 2, 3]
    assert (await stage.declaration()).revision == 2
    assert sent == declared


async def test_a_wish_carries_its_digest(stage):
    said = await stage.declare()

    assert said.wish_digest == wish(1).digest() == (await stage.declaration()).wish_digest


async def test_a_wish_is_emitted_again_with_back_off_until_it_is_observed(stage):
    said = await stage.declare()
    await stage.send_all()

    assert await emitted(stage, 100) == [1, 1, 1, 1]
    await stage.take(fact(1, 1, digest=said.wish_digest))
    assert await emitted(stage, 400) == []


async def test_a_settled_wish_stays_silent_while_it_is_heard_of(stage):
    said = await stage.declare()
    await stage.send_all()
    for _ in range(10):
        await stage.take(fact(1, 1, digest=said.wish_digest))
        stage.clock.advance(OBSERVE_AGAIN_SECONDS)
        await stage.declarations.emit_due(stage.database)

    assert await stage.send_all() == []


async def test_a_settled_wish_that_is_not_heard_of_is_emitted_again(stage):
    said = await stage.declare()
    await stage.take(fact(1, 1, digest=said.wish_digest))
    await stage.send_all()
    stage.clock.advance(SILENCE_SECONDS)
    await stage.declarations.emit_due(stage.database)

    assert await stage.send_all() == [said]


async def test_a_late_fact_does_not_make_a_settled_wish_emit_for_ever(stage):
    await stage.declare()
    said = await stage.declare("two")
    await stage.take(fact(2, 5, digest=said.wish_digest))
    await stage.send_all()
    verdict = await stage.take(fact(1, 3))
    assert (verdict.keep, verdict.emit_again) == (False, True)
    assert await emitted(stage, 10) == [2]
    await stage.take(fact(2, 5, digest=said.wish_digest))

    assert await emitted(stage, 400) == []


async def test_old_and_repeated_facts_change_nothing(stage):
    said = await stage.declare()
    newest = fact(1, 5, digest=said.wish_digest)
    assert (await stage.take(newest)).keep
    for sequence in (5, 4):
        late = fact(1, sequence, digest=said.wish_digest, status=ImageStatus.PENDING)
        assert not (await stage.take(late)).keep

    async with stage.database.read() as session:
        assert await stage.declarations.fact(session, "image", ID) == newest


@pytest.mark.parametrize(("ahead", "digest"), [(7, "lost"), (1, "another")])
async def test_a_restored_declarer_jumps_past_the_fact_with_its_own_wish(stage, ahead, digest):
    await stage.declare("mine", new_revision=True)
    await stage.send_all()
    verdict = await stage.take(fact(ahead, 1, digest=digest))

    assert verdict.jump
    assert not verdict.keep
    jumped = wish(ahead + 1, what="mine").stamped()
    assert await stage.send_all() == [jumped]
    assert (await stage.declaration()).revision == 2
    assert (await stage.declaration()).wish_digest == jumped.wish_digest


async def test_an_unknown_id_is_told_and_can_be_answered_as_a_stray(stage):
    assert (await stage.take(fact(3, 1))).unknown
    async with stage.database.write() as session:
        await stage.declarations.declare_stray(session, fact(3, 1), wish(4))

    assert (await stage.declaration()).stray
    assert await stage.send_all() == [wish(4).stamped()]
    assert (await stage.take(fact(9, 2, digest="x"))).jump
    row = await stage.declaration()
    assert (row.stray, row.generation) == (True, 10)
    await stage.declare("wanted after all")
    assert not (await stage.declaration()).stray


def credential(generation, sealed):
    return CredentialDeclaredV1(
        id=ID,
        declarer=ServiceName.API,
        generation=generation,
        wanted=Wanted.PRESENT,
        value_id="v1",
        sealed=sealed,
    )


async def test_a_jump_declares_what_its_caller_makes_of_the_wish(stage):
    async def remake(jumped):
        return wish(jumped.generation, what=f"of {jumped.generation}")

    await stage.declare("mine")
    await stage.send_all()
    async with stage.database.write() as session:
        await stage.declarations.take(session, fact(7, 1, digest="lost"), remake=remake)

    (said,) = await stage.send_all()
    assert said == wish(8, what="of 8").stamped()
    assert (await stage.declaration()).wish_digest == said.wish_digest


async def test_the_wish_before_is_told_to_who_makes_the_next(stage):
    seen = []
    first = await stage.declare("one")
    async with stage.database.write() as session:
        await stage.declarations.declare(
            session, "image", ID, lambda n: seen.append(n.last) or wish(n.generation)
        )

    assert seen == [first]


async def test_a_wishs_sealed_text_stays_in_it_where_it_is_not_to_be_dropped(stage):
    def workload(numbers):
        return WorkloadDeclaredV1(
            id=ID,
            declarer=ServiceName.API,
            generation=numbers.generation,
            revision=numbers.revision,
            wanted=Wanted.STOPPED,
            sealed="c2VhbGVk",
        )

    async with stage.database.write() as session:
        said = await stage.declarations.declare(session, "workload", ID, workload)
    seen = WorkloadObservedV1(
        id=ID,
        declarer=ServiceName.API,
        generation=1,
        sequence=1,
        wish_digest=said.wish_digest,
        status=WorkloadStatus.STOPPED,
        revision=0,
    )
    assert (await stage.take(seen)).keep
    async with stage.database.read() as session:
        assert await stage.declarations.both(session, "workload", ID) == (said, seen)


async def test_a_fact_that_is_kept_comes_with_the_one_it_replaces(stage):
    said = await stage.declare()
    first, second = (fact(1, number, digest=said.wish_digest) for number in (1, 2))

    taken = [await stage.take(each) for each in (first, second, second, first)]

    assert [each.before for each in taken] == [None, first, None, None]
    assert [each.keep for each in taken] == [True, True, False, False]


async def test_a_sealed_text_stays_until_its_generation_is_observed(stage):
    async def stored():
        async with stage.database.read() as session:
            return (await stage.declarations.wish(session, "credential", ID)).sealed

    async with stage.database.write() as session:
        said = await stage.declarations.declare(
            session, "credential", ID, lambda n: credential(n.generation, "c2VhbGVk")
        )
    assert await stored() == "c2VhbGVk"
    seen = CredentialObservedV1(
        id=ID,
        declarer=ServiceName.API,
        generation=1,
        sequence=1,
        wish_digest=said.wish_digest,
        status=CredentialStatus.STORED,
    )
    await stage.take(seen.model_copy(update={"generation": 0, "wish_digest": ""}))
    assert await stored() == "c2VhbGVk"
    await stage.take(seen)
    assert await stored() is None
    assert credential(1, None).digest() == said.wish_digest


async def test_two_replicas_emit_what_is_due_once_each_at_most(stage, replica):
    for number in range(30):
        await stage.declare(resource_id=f"{number:032x}")
    await stage.send_all()
    stage.clock.advance(5)
    await asyncio.gather(
        stage.declarations.emit_due(stage.database), replica.declarations.emit_due(replica.database)
    )

    assert len(await stage.send_all()) == 30


async def test_emit_due_tells_when_the_next_wish_is_due(stage):
    assert await stage.declarations.emit_due(stage.database) is None
    await stage.declare()

    assert await stage.declarations.emit_due(stage.database) == 5


async def test_two_replicas_that_answer_one_stray_leave_one_answer(stage, replica):
    async def answer(each):
        async with each.database.write() as session:
            verdict = await each.declarations.take(session, fact(3, 1, resource_id=OTHER_ID))
            if verdict.unknown:
                stray = wish(4, resource_id=OTHER_ID)
                await each.declarations.declare_stray(session, fact(3, 1), stray)

    outcomes = await asyncio.gather(answer(stage), answer(replica), return_exceptions=True)

    assert all(each is None or isinstance(each, IntegrityError) for each in outcomes)
    assert (await stage.declaration()).generation == 4
    assert len(await stage.send_all()) == 1
