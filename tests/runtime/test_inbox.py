"""What becomes of the events that an inbox is handed."""

import pytest
from sqlalchemy import event

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.errors import BackendError
from cassini.runtime.inbox import Inbox
from tests.runtime.things import wish


def listed(service):
    return [name for name, event in CATALOG.items() if service in event.readers]


async def ignore(_session, _message):
    pass


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


async def test_a_reader_that_is_not_there_is_an_outage():
    class Event:
        type = "image.declared.v1"

    with pytest.raises(BackendError, match="builder"):
        await MemoryBus().send("builder", Event)


def events(stage, *ids):
    return [
        envelop(
            wish(resource_id=each),
            event_id=f"{number:032x}",
            source="api",
            time="2030-01-01T00:00:00Z",
        )
        for number, each in enumerate(ids)
    ]


async def test_of_events_that_come_together_only_those_that_fail_are_not_kept(stage, database):
    async def handle(session, message):
        if message.id.startswith("b"):
            raise ValueError("no")
        await stage.owned.accept(session, message)

    inbox = Inbox(ServiceName.BUILDER, database, {"image.declared.v1": handle})
    ids = ["a" * 32, "b" * 32, "c" * 32]

    outcomes = await inbox.receive(events(stage, *ids))

    assert [type(each) for each in outcomes] == [type(None), ValueError, type(None)]
    assert [bool(await stage.row(each)) for each in ids] == [True, False, True]


async def test_when_the_database_is_away_the_rest_is_not_tried(stage, database):
    tried = []

    async def handle(_session, message):
        tried.append(message.id)
        raise ConnectionRefusedError

    inbox = Inbox(ServiceName.BUILDER, database, {"image.declared.v1": handle})

    outcomes = await inbox.receive(events(stage, "a" * 32, "b" * 32, "c" * 32))

    assert [type(each) for each in outcomes] == [ConnectionRefusedError] * 3
    assert tried == ["a" * 32, "a" * 32]  # together, then the first one alone


async def test_events_of_one_id_are_handled_as_they_came_and_ids_in_their_order(stage, database):
    seen = []

    async def handle(_session, message):
        seen.append((message.id[0], message.spec.builtin))

    inbox = Inbox(ServiceName.BUILDER, database, {"image.declared.v1": handle})
    times = {"event_id": "e" * 32, "source": "api", "time": "2030-01-01T00:00:00Z"}
    came = [("b", "1"), ("a", "1"), ("b", "2"), ("a", "2")]

    await inbox.receive(
        [envelop(wish(resource_id=each * 32, what=what), **times) for each, what in came]
    )

    assert seen == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]


async def test_rows_of_wishes_that_come_together_are_fetched_by_one_statement(stage, database):
    async def handle(session, message):
        await stage.owned.accept(session, message)

    asked = []
    inbox = Inbox(ServiceName.BUILDER, database, {"image.declared.v1": handle})
    await stage.accept(wish(3, resource_id="b" * 32))

    def note(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT") and "FROM thing" in statement:
            asked.append(statement)

    event.listen(database._writer.sync_engine, "before_cursor_execute", note)
    wishes = [
        *(wish(generation, resource_id="a" * 32, what=f"{generation}") for generation in (2, 1)),
        wish(2, resource_id="b" * 32),
        wish(1, resource_id="c" * 32),
    ]
    times = {"source": ServiceName.API, "time": "2030-01-01T00:00:00Z"}
    outcomes = await inbox.receive(
        [envelop(each, event_id=f"{number:032}", **times) for number, each in enumerate(wishes)]
    )

    assert outcomes == [None] * 4
    assert len(asked) == 2  # the second wish for one id looks at what the first one left
    assert [(await stage.row(each * 32)).generation for each in "abc"] == [2, 3, 1]
