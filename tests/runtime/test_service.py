"""A service starts, answers, survives its loops' failures, and stops in order."""

import asyncio
from datetime import UTC, datetime

import pytest
import structlog

from cassini.contracts.envelope import envelop
from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.errors import BackendError
from cassini.runtime.service import Ground, stop_all
from cassini.testing.waiting import until
from tests.runtime.owner import Builder
from tests.runtime.things import ID, fact, wish


@pytest.fixture
async def builder(stage, database, clock, monkeypatch):
    async def no_upgrade(*_arguments):
        pass

    monkeypatch.setattr("cassini.runtime.service.upgrade", no_upgrade)
    ground = Ground(
        database=database, bus=MemoryBus(), clock=clock, sealer=None, opener=None, exclusive=True
    )
    service = Builder(ground)
    service.ready_to_take = facts = []

    async def take(envelopes):
        facts.extend(each.message() for each in envelopes)
        return [None] * len(envelopes)

    ground.bus.subscribe(ServiceName.API, "image.observed.v1", take)
    yield service
    await service.stop_relay()
    await service.stop_work()


async def ready(service):
    return (await service.health()).ready


async def test_a_started_service_takes_a_wish_and_says_what_it_sees(builder):
    await builder.start()
    await builder.ground.bus.send("builder", envelope_of(wish(1)))
    await until(lambda: builder.ready_to_take)

    said = builder.ready_to_take[0]
    assert (said.generation, said.status) == (1, ImageStatus.BUILT)
    assert await ready(builder)


def envelope_of(message):
    now = datetime.now(UTC)
    return envelop(message, event_id="e" * 32, source=ServiceName.API, time=now)


async def test_join_returns_when_nothing_is_left_to_send_or_to_do(builder):
    await builder.start()
    await builder.ground.bus.send("builder", envelope_of(wish(1)))
    while await builder.join():
        pass

    assert [each.status for each in builder.ready_to_take] == [ImageStatus.BUILT]


async def test_claims_of_a_killed_process_are_void_at_the_start(builder, stage, clock):
    await stage.accept(wish(1))
    async with builder.database.write() as session:
        row = await stage.owned.get(session, ID)
        row.claim_token, row.claim_expires = "of the dead", clock.now() + 1000
    await builder.start()

    await until(lambda: builder.steps)


async def test_what_was_seen_is_said_again_after_a_start(builder, stage):
    await stage.accept(wish(1))
    await stage.observe(ImageStatus.ERROR)
    before = (await stage.row()).sequence
    async with builder.database.write() as session:
        row = await stage.owned.get(session, ID)
        row.due_at = None
        session.add(row)
    await builder.start()
    await until(lambda: builder.ready_to_take)

    assert builder.ready_to_take[-1].status == ImageStatus.ERROR
    assert builder.ready_to_take[-1].sequence >= before


async def test_the_health_tells_why_a_service_is_not_ready(builder, clock):
    calls = []

    async def broken():
        calls.append(clock.now())
        if len(calls) == 1:
            raise BackendError("the other side is away")
        await asyncio.Event().wait()

    assert (await builder.health()).reason == "builder is not started"
    builder.loops = {"look": broken}
    with structlog.testing.capture_logs():
        await builder.start()
        await until(lambda: builder._failing)
    assert (await builder.health()).reason == "builder: look fails: the other side is away"
    clock.advance(60)
    await until(lambda: ready(builder))
    assert len(calls) == 2


async def test_a_loop_that_ran_well_for_long_is_started_again_soon(builder, clock):
    async def broken():
        await clock.sleep(600)
        raise BackendError("away")

    builder.loops = {"look": broken}
    with structlog.testing.capture_logs():
        await builder.start()
        for _ in range(12):
            await until(lambda: clock.sleepers)
            clock.advance(600)
            await until(lambda: builder._failing)
            clock.advance(0.5)
            await until(lambda: not builder._failing)


async def test_a_loop_that_an_outage_ended_goes_on_within_seconds_of_its_end(builder, clock):
    tries = []

    async def broken():
        tries.append(clock.now())
        raise ConnectionRefusedError("the database is away")

    builder.loops = {"look": broken}
    with structlog.testing.capture_logs():
        await builder.start()
        for number in range(1, 12):
            await until(lambda number=number: len(tries) >= number)
            await until(lambda: clock.sleepers)
            clock.advance(5)


async def test_after_the_relay_has_stopped_events_stay_rows(builder, stage):
    await builder.start()
    await builder.stop_relay()
    await builder.ground.bus.send("builder", envelope_of(wish(1)))
    await until(lambda: builder.steps)
    await builder.stop_work()

    assert builder.ready_to_take == []
    assert await builder.relay.pending() == 1


async def test_services_of_one_process_stop_relays_first_and_databases_last():
    order = []

    class Stub:
        def __init__(self, name):
            self.name = name

        def __getattr__(self, call):
            async def note():
                order.append((call, self.name))

            return note

    await stop_all([Stub("a"), Stub("b")])

    calls = [call for call, _ in order]
    assert calls == ["stop_relay"] * 2 + ["stop_work"] * 2 + ["close"] * 2


async def test_a_due_wish_is_emitted_again_by_the_resend_loop(builder, stage, clock):
    await stage.declare()
    await stage.send_all()
    await builder.start()

    async def emitted_twice():
        return (await stage.declaration()).emit_tries == 2

    await until(lambda: clock.sleepers)
    clock.advance(5)
    await until(emitted_twice)


async def test_wishes_are_emitted_again_when_the_facts_that_answered_them_are_lost(
    builder, stage, clock, monkeypatch
):
    told = []
    monkeypatch.setattr(builder.ground.bus, "when_lost", told.append)
    declared = await stage.declare()
    await stage.send_all()
    await stage.take(fact(1, 1, digest=declared.wish_digest))
    assert (await stage.declaration()).emit_tries == 0
    emitted_at = (await stage.declaration()).emitted_at
    await builder.start()

    told[0]({"image.observed.v1"})

    async def emitted_again():
        clock.advance(5)
        return (await stage.declaration()).emitted_at > emitted_at

    await until(emitted_again, every=0.1)  # far sooner than a wish that nothing is heard of
    assert (await stage.declaration()).emit_tries == 0
