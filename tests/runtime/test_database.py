"""The unit of work, on both databases."""

import asyncio
from enum import StrEnum

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text, update
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from cassini.runtime.database import Database, after_commit, is_outage, upsert
from cassini.testing.databases import fresh_schema

METADATA = MetaData()
LIMITS = Table(
    "reservation_limit",
    METADATA,
    Column("name", String(10), primary_key=True),
    Column("most", Integer, nullable=False),
)
RESERVATIONS = Table(
    "reservation", METADATA, Column("number", Integer, primary_key=True, autoincrement=False)
)


@pytest.fixture
async def reservations(database):
    await database.run_sync(METADATA.create_all)
    async with database.write() as session:
        await session.execute(insert(LIMITS).values(name="cores", most=10))
    return database


async def reserve(database, number):
    """Take one of ten places, or find that there is none; returns whether it got one."""
    async with database.write() as session:
        limit = select(LIMITS.c.most).where(LIMITS.c.name == "cores").with_for_update()
        most = (await session.execute(limit)).scalar_one()
        taken = (await session.execute(select(func.count()).select_from(RESERVATIONS))).scalar_one()
        if taken >= most:
            return False
        await session.execute(insert(RESERVATIONS).values(number=number))
        return True


async def taken(database):
    async with database.read() as session:
        return sorted((await session.execute(select(RESERVATIONS.c.number))).scalars())


async def test_fifty_reservations_at_once_get_exactly_the_ten_places(reservations):
    got = await asyncio.gather(*(reserve(reservations, number) for number in range(50)))

    assert sum(got) == 10
    assert await taken(reservations) == [number for number, gotten in enumerate(got) if gotten]


async def test_fifty_reservations_of_five_replicas_get_exactly_the_ten_places(
    reservations, open_database
):
    replicas = [open_database() for _ in range(5)]

    got = await asyncio.gather(*(reserve(replicas[each % 5], each) for each in range(50)))

    assert sum(got) == 10
    assert len(await taken(reservations)) == 10


async def test_a_unit_of_work_that_fails_leaves_nothing(reservations):
    async def fail():
        async with reservations.write() as session:
            await session.execute(insert(RESERVATIONS).values(number=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await taken(reservations) == []


async def test_hooks_run_after_the_commit_in_order(reservations):
    seen = []
    async with reservations.write() as session:
        await session.execute(insert(RESERVATIONS).values(number=1))
        after_commit(session, lambda: seen.append("first"))
        after_commit(session, lambda: seen.append("second"))
        assert seen == []

    assert seen == ["first", "second"]


async def test_hooks_of_a_rolled_back_unit_of_work_never_run(reservations):
    seen = []

    async def fail():
        async with reservations.write() as session:
            after_commit(session, lambda: seen.append("called"))
            await session.execute(insert(RESERVATIONS).values(number=1))
            await session.execute(insert(RESERVATIONS).values(number=1))

    with pytest.raises(IntegrityError):
        await fail()
    async with reservations.write() as session:
        await session.execute(insert(RESERVATIONS).values(number=2))

    assert seen == []


async def test_a_reader_sees_no_uncommitted_change(reservations):
    async with reservations.write() as session:
        await session.execute(insert(RESERVATIONS).values(number=1))
        assert await taken(reservations) == []

    assert await taken(reservations) == [1]


async def test_what_a_reading_session_changes_is_not_kept(reservations):
    try:
        async with reservations.read() as session:
            await session.execute(insert(RESERVATIONS).values(number=1))
    except OperationalError:
        assert reservations.is_sqlite  # which refuses at once

    assert await taken(reservations) == []


async def test_cancelled_writers_leave_the_database_usable(reservations):
    """Cancel at many points of the unit of work: no lock and no half transaction stays behind."""
    for turns in range(30):
        task = asyncio.create_task(reserve(reservations, turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(10):
        async with reservations.write() as session:
            await session.execute(insert(RESERVATIONS).values(number=1000))
    assert 1000 in await taken(reservations)


async def test_sqlite_is_set_to_survive_a_power_cut(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    async with database.write() as session:
        connection = await session.connection()
        pragmas = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    await database.close()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_write_on_sqlite_takes_the_lock_before_its_first_statement(tmp_path):
    one, other = (Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}") for _ in range(2))
    await one.run_sync(METADATA.create_all)
    async with one.write() as session:
        await session.connection()
        waiting = asyncio.create_task(reserve(other, 1))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert done == set()
        await session.execute(insert(LIMITS).values(name="cores", most=10))
    assert await waiting is True
    await one.close()
    await other.close()


async def test_a_server_that_is_not_there_counts_as_outage():
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(OSError, match=r"[Cc]onnect") as raised:
        async with database.read() as session:
            await session.execute(select(1))
    await database.close()

    assert is_outage(raised.value)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (OperationalError("", {}, Exception()), True),
        (InterfaceError("", {}, Exception()), True),
        (DBAPIError("", {}, Exception()), True),
        (TimeoutError(), True),
        (IntegrityError("", {}, Exception()), False),
        (ProgrammingError("", {}, Exception()), False),
        (ValueError(), False),
    ],
)
def test_only_a_database_that_is_away_is_an_outage(error, outage):
    assert is_outage(error) is outage


async def test_a_row_changed_by_two_replicas_keeps_both_changes(reservations, open_database):
    async def add(replica):
        async with replica.write() as session:
            query = select(LIMITS.c.most).where(LIMITS.c.name == "cores").with_for_update()
            most = (await session.execute(query)).scalar_one()
            await session.execute(update(LIMITS).values(most=most + 1))

    replicas = [open_database() for _ in range(2)]
    await asyncio.gather(*(add(replicas[each % 2]) for each in range(20)))

    async with reservations.read() as session:
        assert (await session.execute(select(LIMITS.c.most))).scalar_one() == 30


@pytest.mark.postgres
async def test_a_schema_may_be_named_by_a_service_s_name(postgres_url):
    async with fresh_schema(postgres_url) as schema:
        database = Database(postgres_url, schema=StrEnum("Name", {"SERVICE": schema}).SERVICE)
        async with database.read() as session:
            assert (await session.execute(text("SELECT current_schema()"))).scalar_one() == schema
        await database.close()


class Base(SQLModel, registry=registry()):
    pass


class Fruit(Base, table=True):
    name: str = Field(primary_key=True)
    colour: str
    seen: int


class Note(Base, table=True):
    id: int = Field(primary_key=True)
    text: str


async def test_whoever_looks_on_sees_every_row_written_and_hears_after_the_commit(database):
    await database.run_sync(Note.metadata.create_all)
    seen, heard = [], []

    def look(session, row):
        text = row.text
        seen.append(text)
        after_commit(session, lambda: heard.append(text))

    database.on_write(look)
    async with database.write() as session:
        session.add(Note(id=1, text="made"))
        await session.flush()
        assert (seen, heard) == (["made"], [])
    assert heard == ["made"]

    async with database.write() as session:
        note = await session.get(Note, 1)
        note.text = "changed"
    async with database.write() as session:
        await session.delete(await session.get(Note, 1))
    assert heard == ["made", "changed", "changed"]


async def test_what_is_rolled_back_is_heard_by_nobody(database):
    await database.run_sync(Note.metadata.create_all)
    heard = []
    database.on_write(lambda session, row: after_commit(session, lambda: heard.append(row)))

    async def fail():
        async with database.write() as session:
            session.add(Note(id=1, text="made"))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert heard == []


async def test_rows_are_written_new_or_over_those_of_their_key(database):
    await database.run_sync(Base.metadata.create_all)

    async def write(*rows, **options):
        async with database.write() as session:
            await upsert(session, Fruit, rows, **options)

    await write({"name": "apple", "colour": "green", "seen": 1})
    await write(
        {"name": "apple", "colour": "red", "seen": 2},
        {"name": "plum", "colour": "blue", "seen": 2},
        stays={"seen"},
    )

    async with database.read() as session:
        rows = (await session.execute(select(Fruit.name, Fruit.colour, Fruit.seen))).all()
    assert sorted(map(tuple, rows)) == [("apple", "red", 1), ("plum", "blue", 2)]
