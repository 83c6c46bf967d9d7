import pytest
from sqlalchemy import select

from cassini.contracts.catalog import CATALOG
from cassini.contracts.changes import ResourceChangedV1
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.errors import BackendError
from cassini.runtime.inbox import Inbox
from tests.runtime.things import ID, OUTBOX, Stage, wish


def listed(service):
    return [name for name, event in CATALOG.items() if service in event.readers]


async def ignore(_session, _message):
    pass


@pytest.fixture
def bus():
    return MemoryBus()


async def test_a_handler_s_change_and_the_removal_from_the_outbox_are_each_committed(
    database, clock, stage, bus
):
    stage = Stage(database, clock, bus)

    async def keep(session, message):
        await stage.owned.accept(session, message)

    Inbox(ServiceName.BUILDER, database, {"image.declared.v1": keep}).connect(bus)
    await stage.emit(wish(1))
    await stage.relay.send_due()

    assert (await stage.row()).generation == 1
    assert await stage.relay.pending() == 0


async def test_a_handler_that_fails_changes_nothing_and_gets_the_event_again(
    database, clock, stage, bus
):
    stage = Stage(database, clock, bus)
    attempts = []

    async def keep(session, message):
        await stage.owned.accept(session, message)
        attempts.append(message)
        if len(attempts) == 1:
            raise RuntimeError

    Inbox(ServiceName.BUILDER, database, {"image.declared.v1": keep}).connect(bus)
    await stage.emit(wish(1))
    await stage.relay.send_due()
    assert await stage.row() is None
    clock.advance(1)
    await stage.relay.send_due()
    assert (await stage.row()).generation == 1


async def test_what_a_handler_emits_names_its_cause(database, clock, stage, bus):
    stage = Stage(database, clock, bus)

    async def answer(session, message):
        await stage.outbox.emit(session, message.model_copy(update={"generation": 2}))

    Inbox(ServiceName.BUILDER, database, {"image.declared.v1": answer}).connect(bus)
    await stage.emit(wish(1))
    async with database.read() as session:
        table = stage.outbox.table
        first = (await session.execute(select(table.c.event_id))).scalar_one()
    await stage.relay.send_due()
    async with database.read() as session:
        second = (await session.execute(select(OUTBOX.c.envelope))).scalar_one()

    assert second["causationid"] == first


@pytest.mark.parametrize("service", [each for each in ServiceName if listed(each)])
def test_the_catalogue_s_readers_need_exactly_their_handlers(service):
    handlers = dict.fromkeys(listed(service), ignore)
    heard = [name for name, event in CATALOG.items() if service in event.listeners]
    listeners = dict.fromkeys(heard, ignore)
    Inbox(service, None, handlers, listeners)
    missing = dict(list(handlers.items())[1:])
    with pytest.raises(ValueError, match=listed(service)[0]):
        Inbox(service, None, missing, listeners)
    with pytest.raises(ValueError, match=r"made\.up\.v1"):
        Inbox(service, None, handlers | {"made.up.v1": ignore}, listeners)
    with pytest.raises(ValueError, match=r"made\.up\.v1"):
        Inbox(service, None, handlers, listeners | {"made.up.v1": ignore})


async def test_an_event_waits_for_a_reader_that_is_not_there(database, clock, stage, bus):
    stage = Stage(database, clock, bus)
    await stage.emit(wish(1))
    for _ in range(20):
        await stage.relay.send_due()
        clock.advance(60)
    assert await stage.relay.pending() == 1

    received = []

    async def receive(envelopes):
        received.extend(each.subject for each in envelopes)
        return [None] * len(envelopes)

    bus.subscribe(ServiceName.BUILDER, "image.declared.v1", receive)
    await stage.relay.send_due()
    assert received == [ID]


async def test_the_bus_takes_receivers_only_from_listed_readers_and_once(bus):
    with pytest.raises(ValueError, match="does not list"):
        bus.subscribe(ServiceName.API, "image.declared.v1", ignore)
    bus.subscribe(ServiceName.BUILDER, "image.declared.v1", ignore)
    with pytest.raises(ValueError, match="already"):
        bus.subscribe(ServiceName.BUILDER, "image.declared.v1", ignore)


async def test_a_reader_that_is_not_there_is_an_outage(bus):
    class Event:
        type = "image.declared.v1"

    with pytest.raises(BackendError, match="builder"):
        await bus.send("builder", Event)


def test_every_event_goes_to_its_readers(bus):
    for name, event in CATALOG.items():
        assert set(bus.destinations(name)) == set(event.readers)


HINT = ResourceChangedV1(id=ID, owner_id="f" * 32, kind="workspace")


def replica(bus, listen):
    """Connect a replica of the api that hears hints."""
    handlers = dict.fromkeys(listed(ServiceName.API), ignore)
    listeners = {"resource.changed.v1": listen}
    inbox = Inbox(ServiceName.API, None, handlers, listeners)
    for name in listeners:
        bus.listen(ServiceName.API, name, inbox.hear)


async def test_every_replica_hears_a_hint_and_one_that_fails_costs_the_others_nothing(
    database, clock, bus
):
    first, second = [], []

    def fail(_message):
        raise RuntimeError

    for listen in (first.append, fail, second.append):
        replica(bus, listen)

    Stage(database, clock, bus).outbox.hint(HINT)

    assert first == second == [HINT]


async def test_a_hint_that_nobody_hears_is_lost_without_a_trace(database, clock, stage, bus):
    stage = Stage(database, clock, bus)
    stage.outbox.hint(HINT)
    assert await stage.relay.pending() == 0


async def test_the_bus_takes_only_listed_listeners(bus):
    with pytest.raises(ValueError, match="does not list"):
        bus.listen(ServiceName.BUILDER, "resource.changed.v1", lambda _event: None)
