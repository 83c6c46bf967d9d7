"""An event leaves if and only if its change was committed, and until somebody has it."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import handled_event
from cassini.runtime.deliveries import backoff
from cassini.runtime.errors import BackendError, Retry
from cassini.runtime.outbox import DEAD
from cassini.runtime.tracing import Kind, trace
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from tests.runtime.things import DECLARATION, ID, OTHER_ID, OUTBOX, Stage, fact, wish


async def test_an_event_leaves_after_the_commit_and_its_rows_are_gone(stage):
    await stage.emit(wish(1))

    assert await stage.send_all() == [wish(1)]
    assert await stage.count(OUTBOX) == 0


async def test_an_event_of_a_rolled_back_change_never_leaves(stage):
    async def fail():
        async with stage.database.write() as session:
            await stage.outbox.emit(session, wish(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await stage.send_all() == []


async def test_the_change_and_its_event_commit_together(stage):
    await stage.declare()

    assert await stage.count(DECLARATION) == await stage.count(OUTBOX) == 1


async def test_the_envelope_tells_source_subject_time_and_cause(stage):
    await stage.emit(wish(1))
    await stage.relay.send_due()
    _, first = stage.bus.sent[0]
    token = handled_event.set(first)
    with trace("a request", Kind.SERVER) as request:
        await stage.emit(wish(2))
    handled_event.reset(token)
    await stage.relay.send_due()
    _, second = stage.bus.sent[1]

    assert (first.type, first.source, first.subject) == (
        "image.declared.v1",
        f"/cassini/{ServiceName.API}",
        ID,
    )
    assert first.time.timestamp() == stage.clock.now()
    assert (first.causationid, second.causationid) == (None, first.id)
    assert (first.traceparent, second.traceparent) == (None, request.traceparent)


async def test_one_subject_s_events_are_taken_in_order_one_a_round(stage):
    await stage.emit(*(fact(sequence=number) for number in range(1, 6)))

    rounds = [await stage.relay.send_due() for _ in range(5)]

    assert rounds == [1, 1, 1, 1, 1]
    assert [each.sequence for each in await stage.send_all()] == [1, 2, 3, 4, 5]


async def test_of_one_subject_s_wishes_only_the_newest_is_sent(stage):
    await stage.emit(wish(1), fact(), wish(2), wish(1, resource_id=OTHER_ID), wish(3))

    sent = await stage.send_all()

    assert [fact(), wish(1, resource_id=OTHER_ID), wish(3)] == sent
    assert await stage.count(OUTBOX) == 0


async def test_a_dead_letter_is_not_superseded(stage):
    await stage.emit(wish(1))
    stage.bus.fail(ValueError("no"), times=8)
    for _ in range(8):
        await stage.relay.send_due()
        stage.clock.advance(60)
    await stage.emit(wish(2))

    assert [wish(2)] == await stage.send_all()
    assert await stage.count(OUTBOX) == 1


async def test_a_round_takes_at_most_128_subjects(stage):
    await stage.emit(*(wish(resource_id=f"{number:032x}") for number in range(200)))

    assert [await stage.relay.send_due() for _ in range(3)] == [128, 72, 0]


async def test_no_session_is_open_while_it_waits_for_the_bus(stage):
    async def write_while_sending(_destination, _envelope):
        async with asyncio.timeout(2):
            await stage.declare(resource_id=OTHER_ID)

    await stage.emit(wish(1))
    stage.bus.before = write_while_sending
    await stage.relay.send_due()
    stage.bus.before = None

    assert len(stage.bus.sent) == 1


async def test_what_was_not_taken_is_sent_again_later_and_later(stage):
    await stage.emit(wish(1))
    stage.bus.fail(ValueError("no"), times=3)
    waits = []
    for tries in range(3):
        assert await stage.relay.send_due() == 1
        assert await stage.relay.send_due() == 0
        waits.append(backoff(tries))
        stage.clock.advance(backoff(tries))

    assert waits == sorted(set(waits))
    assert await stage.send_all() == [wish(1)]


async def test_eight_failures_of_the_reader_make_a_dead_letter_with_its_error(stage):
    await stage.emit(wish(1))
    stage.bus.fail(ValueError("cannot read this"), times=100)
    for _ in range(10):
        await stage.relay.send_due()
        stage.clock.advance(60)

    assert stage.bus.tries == 8
    assert await stage.relay.pending() == 0
    async with stage.database.read() as session:
        letter = (await session.execute(select(OUTBOX))).one()
    assert (letter.state, letter.tries) == (DEAD, 8)
    assert letter.error == "ValueError: cannot read this"


@pytest.mark.parametrize(
    "error",
    [
        BackendError("away"),
        Retry("not now", after=1),
        OperationalError("", {}, Exception("locked")),
        ConnectionRefusedError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_outage_is_repeated_without_limit(stage, error):
    await stage.emit(wish(1))
    stage.bus.fail(error, times=30)
    for _ in range(30):
        await stage.relay.send_due()
        stage.clock.advance(60)

    assert await stage.send_all() == [wish(1)]


async def test_after_an_outage_of_any_length_it_is_sent_within_seconds(stage):
    await stage.emit(wish(1))
    stage.bus.fail(BackendError("away"), times=30)
    for _ in range(30):
        assert await stage.relay.send_due() == 1
        stage.clock.advance(5)

    assert await stage.send_all() == [wish(1)]


async def test_while_the_bus_is_not_connected_nothing_is_tried(stage):
    stage.bus.connected.clear()
    await stage.emit(wish(1))
    task = asyncio.create_task(stage.relay.run())
    await until(lambda: stage.bus.awaited, seconds=3)
    assert stage.bus.tries == 0

    stage.bus.connected.set()

    await until(lambda: stage.bus.sent, seconds=3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stage.relay.finish()


async def test_a_dead_letter_does_not_hold_up_the_next_event(stage):
    await stage.emit(wish(1))
    stage.bus.fail(ValueError(), times=8)
    for _ in range(8):
        await stage.relay.send_due()
        stage.clock.advance(60)
    await stage.emit(wish(2))

    assert await stage.send_all() == [wish(2)]


async def test_a_kill_between_sending_and_marking_sends_again(stage, replica, monkeypatch):
    async def killed(*_arguments):
        raise asyncio.CancelledError

    await stage.emit(wish(1))
    monkeypatch.setattr(stage.relay, "_mark", killed)
    with pytest.raises(asyncio.CancelledError):
        await stage.relay.send_due()

    assert [each.generation for each in await replica.send_all()] == [1, 1]
    assert await stage.count(OUTBOX) == 0


async def test_relays_of_two_replicas_lose_nothing(stage, replica):
    await stage.emit(*(wish(resource_id=f"{number:032x}") for number in range(80)))

    await asyncio.gather(stage.send_all(), replica.send_all())

    assert await stage.count(OUTBOX) == 0


async def test_a_running_relay_sends_at_once_what_is_committed(stage):
    task = asyncio.create_task(stage.relay.run())
    await asyncio.sleep(0)
    await stage.emit(wish(1))
    await until(lambda: stage.bus.sent, seconds=3)
    await stage.emit(wish(2))
    await until(lambda: len(stage.bus.sent) == 2, seconds=3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stage.relay.finish()


async def test_a_relay_that_is_stopped_marks_what_it_was_sending(stage):
    sending, let_go = asyncio.Event(), asyncio.Event()

    async def slow(_destination, _envelope):
        sending.set()
        await let_go.wait()

    stage.bus.before = slow
    await stage.emit(wish(1))
    task = asyncio.create_task(stage.relay.run())
    await sending.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    finishing = asyncio.create_task(stage.relay.finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    let_go.set()
    await finishing

    assert await stage.count(OUTBOX) == 0


async def test_an_event_that_nobody_reads_is_not_stored(database, clock, stage):
    class NobodyReads(ProbeBus):
        def destinations(self, event_type):
            return ()

    lonely = Stage(database, clock, NobodyReads())
    await lonely.emit(wish(1))

    assert await stage.count(OUTBOX) == 0
