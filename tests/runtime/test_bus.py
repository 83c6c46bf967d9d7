"""What both buses promise: one suite, run on the in-process bus and on RabbitMQ."""

import asyncio

import pytest
import structlog
from sqlalchemy import select

from cassini.contracts.catalog import CATALOG
from cassini.contracts.changes import ResourceChangedV1
from cassini.contracts.resources import ServiceName
from cassini.runtime.inbox import Inbox
from cassini.testing.waiting import until
from tests.runtime.buses import MemoryBuses, RabbitBuses, carried
from tests.runtime.things import ID, OTHER_ID, OUTBOX, Stage, fact, wish

WISH, FACT = "image.declared.v1", "image.observed.v1"
API, BUILDER = ServiceName.API, ServiceName.BUILDER
HINT = ResourceChangedV1(id=ID, owner_id="f" * 32, kind="workspace")


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def kind_of_bus(request):
    """Not async, so that a server does not start on the event loop."""
    if request.param == "memory":
        return MemoryBuses()
    return RabbitBuses(request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
async def buses(kind_of_bus):
    yield kind_of_bus
    await kind_of_bus.close()


@pytest.fixture
async def api(stage, buses):
    """The service that sends."""
    bus = buses.of(API)
    await buses.open(bus)
    return Stage(stage.database, stage.clock, bus)


@pytest.fixture
def builder(stage, buses):
    """Opens a reader with a handler: what it emits goes to the same outbox, which stays."""

    async def open_reader(handle, replica="one"):
        bus = buses.of(BUILDER, replica)
        reader = Stage(stage.database, stage.clock, bus)

        async def handler(session, message):
            await handle(reader, session, message)

        Inbox(BUILDER, stage.database, {WISH: handler}).connect(bus)
        await buses.open(bus)
        return reader

    return open_reader


async def keep(reader, session, message):
    await reader.owned.accept(session, message)


def accepted(reader, generation, resource_id=ID):
    async def is_so():
        row = await reader.row(resource_id)
        return row is not None and row.generation == generation

    return is_so


async def test_an_event_is_handled_in_the_reader_s_transaction_and_leaves_the_outbox(api, builder):
    reader = await builder(keep)
    await api.emit(wish(1))

    await carried(api, accepted(reader, 1))

    assert await api.relay.pending() == 0


async def test_a_handler_that_fails_changes_nothing_and_gets_the_event_again(api, builder):
    seen = []

    async def fail_once(reader, session, message):
        await keep(reader, session, message)
        seen.append(await reader.row())
        if len(seen) == 1:
            raise RuntimeError

    reader = await builder(fail_once)
    await api.emit(wish(1))

    await carried(api, accepted(reader, 1))

    assert seen == [None, None]


async def test_what_a_handler_emits_names_its_cause(api, builder):
    async def answer(reader, session, message):
        await reader.outbox.emit(session, message.model_copy(update={"generation": 2}))

    await builder(answer)
    await api.emit(wish(1))
    async with api.database.read() as session:
        first = (await session.execute(select(OUTBOX.c.event_id))).scalar_one()
    await api.relay.send_due()

    async def answered():
        async with api.database.read() as session:
            rows = (await session.execute(select(OUTBOX.c.envelope))).scalars()
            return [row["causationid"] for row in rows if row["data"]["generation"] == 2]

    assert await until(answered) == [first]


async def test_an_event_waits_for_a_reader_that_is_not_there(api, builder):
    await api.emit(wish(1))
    for _ in range(20):
        await api.relay.send_due()
        api.clock.advance(60)

    reader = await builder(keep)

    await carried(api, accepted(reader, 1))


async def test_one_resource_s_events_arrive_in_their_order(api, builder):
    seen = []

    async def note(_reader, _session, message):
        seen.append(message.generation)

    await builder(note)
    for number in range(1, 21):
        await api.emit(wish(number))
        await api.relay.send_due()

    await carried(api, lambda: len(seen) == 20)

    assert seen == list(range(1, 21))


async def test_events_that_come_together_commit_together(api, builder):
    transactions = []

    async def note(_reader, session, message):
        transactions.append(id(session))
        session.info["kept"] = transactions  # the id is not used again while it is known

    await builder(note)
    await api.emit(*(wish(resource_id=f"{number:032x}") for number in range(64)))

    await carried(api, lambda: len(transactions) >= 64)

    assert len(transactions) == 64
    assert len(set(transactions)) < 64


async def test_one_that_fails_among_others_holds_none_of_them_up(api, builder):
    async def fail_one(reader, session, message):
        if message.id == ID:
            raise ValueError("not this one")
        await keep(reader, session, message)

    reader = await builder(fail_one)
    ids = [f"{number:032x}" for number in range(10)]
    with structlog.testing.capture_logs():
        await api.emit(*(wish(resource_id=each) for each in [*ids[:5], ID, *ids[5:]]))
        for each in ids:
            await carried(api, accepted(reader, 1, each))

    assert await reader.row() is None


async def test_a_second_delivery_changes_nothing(api, builder):
    seen = []

    async def keep_and_count(reader, session, message):
        await keep(reader, session, message)
        seen.append(message)

    reader = await builder(keep_and_count)
    for number in (1, 2, 1, 2):
        await api.emit(wish(number))
        await api.relay.send_due()

    await carried(api, lambda: len(seen) >= 4)

    assert (await reader.row()).generation == 2


async def test_an_outage_is_waited_for_without_limit(api, builder, monkeypatch):
    monkeypatch.setattr("cassini.runtime.bus_rabbitmq_consumer.outage_backoff", lambda _: 0.01)
    tries = []

    async def database_away(reader, session, message):
        tries.append(message)
        if len(tries) < 20:
            raise ConnectionRefusedError
        await keep(reader, session, message)

    reader = await builder(database_away)
    with structlog.testing.capture_logs():
        await api.emit(wish(1))
        await carried(api, accepted(reader, 1))

    assert len(tries) == 20


async def test_a_dead_letter_tells_its_reason_and_can_be_replayed(api, builder, buses, monkeypatch):
    monkeypatch.setattr("cassini.runtime.bus_rabbitmq_consumer.backoff", lambda _tries: 0.01)
    tries, mended = [], False

    async def refuse(reader, session, message):
        tries.append(message)
        if not mended:
            raise ValueError("cannot read this")
        await keep(reader, session, message)

    reader = await builder(refuse)
    letters = buses.letters(api)
    with structlog.testing.capture_logs():
        await api.emit(wish(1))
        (letter,) = await carried(api, letters.letters)

    assert len(tries) == 8
    assert letter.type == WISH
    assert letter.subject == ID
    assert letter.reader.startswith("builder")
    assert letter.reason == "ValueError: cannot read this"
    assert await letters.replay(["unknown"]) == 0

    mended = True
    assert await letters.replay([letter.id]) == 1
    await carried(api, accepted(reader, 1))
    assert await letters.letters() == []


async def test_a_dead_letter_can_be_discarded(api, builder, buses, monkeypatch):
    monkeypatch.setattr("cassini.runtime.bus_rabbitmq_consumer.backoff", lambda _tries: 0.01)

    async def refuse(_reader, _session, _message):
        raise ValueError("never")

    await builder(refuse)
    letters = buses.letters(api)

    async def both():
        found = await letters.letters()
        return found if len(found) == 2 else None

    with structlog.testing.capture_logs():
        await api.emit(wish(1), wish(1, resource_id=OTHER_ID))
        one, other = await carried(api, both)

    assert await letters.discard([one.id]) == 1
    assert await letters.letters() == [other]
    assert await letters.discard(None) == 1
    assert await letters.letters() == []


async def test_after_the_bus_takes_no_more_nothing_is_handled(api, builder, buses):
    if isinstance(buses, MemoryBuses):
        pytest.skip("in process it is the relay that stops")
    began, go_on, seen = asyncio.Event(), asyncio.Event(), []

    async def slow(_reader, _session, message):
        began.set()
        await go_on.wait()
        seen.append(message.generation)

    reader = await builder(slow)
    await api.emit(wish(1))
    await api.relay.send_due()
    await began.wait()
    stopping = asyncio.create_task(reader.bus.stop_taking())
    await api.emit(wish(2))
    await api.relay.send_due()
    assert not stopping.done()
    go_on.set()
    await stopping
    assert seen == [1]

    await builder(slow, replica="two")
    await until(lambda: seen == [1, 2])


def test_the_bus_takes_receivers_only_from_listed_readers_and_once(buses):
    async def ignore(envelopes):
        return [None] * len(envelopes)

    with pytest.raises(ValueError, match="does not list"):
        buses.of(API).subscribe(API, WISH, ignore)
    bus = buses.of(BUILDER)
    bus.subscribe(BUILDER, WISH, ignore)
    with pytest.raises(ValueError, match="already"):
        bus.subscribe(BUILDER, WISH, ignore)


def test_the_bus_takes_only_listed_listeners(buses):
    with pytest.raises(ValueError, match="does not list"):
        buses.of(BUILDER).listen(BUILDER, "resource.changed.v1", lambda _event: None)


def test_every_event_with_a_reader_has_a_destination(buses):
    for name, event in CATALOG.items():
        assert bool(buses.of(API).destinations(name)) == bool(event.readers)


async def test_a_reader_that_does_not_read_is_known_as_absent(api, builder, buses):
    writer = buses.of(API, "two")
    await buses.open(writer)
    assert {BUILDER} == set(await writer.absent_readers([WISH]))

    async def note(_reader, _session, _message):
        pass

    await builder(note)
    assert not await writer.absent_readers([WISH])


async def test_an_event_reaches_its_readers_and_nobody_else(api, builder, buses, stage):
    wishes, facts = [], []

    async def note_wish(_reader, _session, message):
        wishes.append(message)

    async def note_fact(envelopes):
        facts.extend(each.message() for each in envelopes)
        return [None] * len(envelopes)

    await builder(note_wish)
    listening = buses.of(API, "two")
    listening.subscribe(API, FACT, note_fact)
    await buses.open(listening)
    await api.emit(wish(1), fact(1))

    await carried(api, lambda: wishes and facts)

    assert (wishes, facts) == ([wish(1)], [fact(1)])


async def test_every_replica_hears_a_hint_and_one_that_fails_costs_the_others_nothing(
    api, buses, stage
):
    heard = {"one": [], "two": []}

    def fail(_envelope):
        raise RuntimeError

    for replica, messages in heard.items():
        bus = buses.of(API, replica)
        bus.listen(API, "resource.changed.v1", fail)
        bus.listen(API, "resource.changed.v1", lambda each, to=messages: to.append(each.message()))
        await buses.open(bus)

    with structlog.testing.capture_logs():
        api.outbox.hint(HINT)
        await until(lambda: all(heard.values()))

    assert heard == {"one": [HINT], "two": [HINT]}


async def test_a_hint_that_nobody_hears_is_lost_without_a_trace(api):
    api.outbox.hint(HINT)

    assert await api.relay.pending() == 0
