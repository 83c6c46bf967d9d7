"""``cassini admin dead-letters``: in the embedded form, and at a broker."""

import asyncio
from importlib import import_module

import aio_pika
import pytest
from typer.testing import CliRunner

from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.outbox import DEAD, PENDING, Outbox
from services.cli import app
from services.places import Places
from tests.runtime.things import ID, OTHER_ID, wish

BROKEN = {"state": DEAD, "tries": 8, "error": "ValueError: cannot read this"}


@pytest.fixture
def home(tmp_path):
    """A data directory with two dead letters and one event that is on its way."""
    places = Places(tmp_path)
    places.prepare()
    asyncio.run(fill(places))
    return tmp_path


async def fill(places):
    for name in ServiceName:
        tables = import_module(f"services.{name}.tables").TABLES
        async with opened(places, name) as database:
            await database.run_sync(tables.metadata.create_all)
            if name is not ServiceName.API:
                continue
            outbox = Outbox(tables.outbox, service=name, bus=MemoryBus(), clock=SystemClock())
            async with database.write() as session:
                await outbox.emit(session, wish(1))
                await outbox.emit(session, wish(1, resource_id=OTHER_ID))
                await session.execute(tables.outbox.update().values(BROKEN))
                await outbox.emit(session, wish(2))


class opened:  # noqa: N801 - used like a function
    def __init__(self, places, name):
        self._database = Database(f"sqlite+aiosqlite:///{places.database_file(name)}")

    async def __aenter__(self):
        return self._database

    async def __aexit__(self, *_):
        await self._database.close()


def run(*words, code=0):
    result = CliRunner().invoke(app, ["admin", "dead-letters", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def test_they_are_listed_with_their_reason(home):
    lines = run("list", "--home", home)

    assert len(lines) == 2
    _, kind, subject, *rest = lines[0].split(" ", 4)
    assert (kind, subject) == ("image.declared.v1", ID)
    assert rest == ["builder:", "ValueError: cannot read this"]


def test_a_replayed_one_is_due_again_and_a_discarded_one_is_gone(home):
    one, other = (line.split(" ", 1)[0] for line in run("list", "--home", home))

    assert run("replay", one, "--home", home) == ["Replayed 1."]
    assert run("discard", other, "--home", home) == ["Discarded 1."]

    assert run("list", "--home", home) == []
    states = asyncio.run(outbox_rows(home))
    assert states == [(ID, PENDING, 0), (ID, PENDING, 0)]


async def outbox_rows(home):
    table = import_module("services.api.tables").TABLES.outbox
    async with opened(Places(home), ServiceName.API) as database, database.read() as session:
        rows = (await session.execute(table.select().order_by(table.c.position))).all()
    return [(row.subject, row.state, row.tries) for row in rows]


def test_all_of_them_must_be_said(home):
    assert "--all" in " ".join(run("discard", "--home", home, code=2))
    assert run("discard", "--all", "--home", home) == ["Discarded 2."]


def test_an_unknown_id_is_told(home):
    assert "no dead letter has such an id" in " ".join(run("replay", "x", "--home", home, code=2))


def test_without_a_platform_it_says_so(tmp_path):
    assert "no platform" in " ".join(run("list", "--home", tmp_path / "none", code=2))


@pytest.mark.rabbitmq
def test_those_at_the_broker_are_found_by_its_address(home, rabbitmq_url):
    async def kill_one():
        async with await aio_pika.connect(rabbitmq_url) as connection:
            dead = await (await connection.channel()).get_exchange("cassini.dead")
            headers = {
                "cassini-reason": "ValueError: no",
                "cassini-queue": "builder.image.declared",
            }
            letter = aio_pika.Message(b"?", message_id="e" * 32, headers=headers, delivery_mode=2)
            await dead.publish(letter, routing_key="builder", mandatory=True)

    broker = ("--home", home, "--broker", rabbitmq_url)
    assert run("list", *broker) == []
    asyncio.run(kill_one())

    assert run("list", *broker) == [f"{'e' * 32} ? ? builder.image.declared: ValueError: no"]
    assert run("replay", "--all", *broker) == ["Replayed 1."]
    assert run("list", *broker) == []


def test_a_broker_that_is_not_there_is_told(home):
    said = run("list", "--home", home, "--broker", "amqp://guest:planted@127.0.0.1:1/", code=2)

    assert "broker" in " ".join(said)
    assert "planted" not in " ".join(said)
