"""Versions of a service's tables, on both databases."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, Table, inspect, text

from cassini.runtime.migrations import head_of, upgrade

METADATA = MetaData()
Table("fruit", METADATA, Column("id", Integer, primary_key=True), Column("size", Integer))

FIRST = '''"""First."""
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("fruit", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table("fruit")
'''
SECOND = '''"""Second."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.batch_alter_table("fruit") as table:
        table.add_column(sa.Column("size", sa.Integer(), nullable=True))
    {more}


def downgrade():
    pass
'''

pytestmark = pytest.mark.blocks_loop("alembic is loaded on first use, at a start")


@pytest.fixture
def versions(tmp_path):
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "0001_first.py").write_text(FIRST)
    return folder


async def columns(database):
    def look(connection):
        found = inspect(connection)
        return {column["name"] for column in found.get_columns("fruit")}

    return await database.run_sync(look)


async def test_an_empty_database_gets_the_newest_tables(database, versions):
    (versions / "0002_second.py").write_text(SECOND.format(more=""))
    await upgrade(database, versions, METADATA)

    assert head_of(versions) == "0002"
    assert await columns(database) == {"id", "size"}
    changes = await database.run_sync(
        lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA)
    )
    assert changes == []


async def test_an_older_database_keeps_its_rows(database, versions):
    await upgrade(database, versions, METADATA)
    async with database.write() as session:
        await session.execute(text("INSERT INTO fruit (id) VALUES (7)"))
    (versions / "0002_second.py").write_text(SECOND.format(more=""))
    await upgrade(database, versions, METADATA)

    async with database.read() as session:
        rows = (await session.execute(text("SELECT id, size FROM fruit"))).all()
    assert [tuple(row) for row in rows] == [(7, None)]


async def test_a_second_start_changes_nothing(database, versions, monkeypatch):
    await upgrade(database, versions, METADATA)
    monkeypatch.setattr("cassini.runtime.migrations._upgrade", None)

    await upgrade(database, versions, METADATA)


async def test_a_version_that_fails_leaves_the_version_before(database, versions):
    await upgrade(database, versions, METADATA)
    (versions / "0002_second.py").write_text(SECOND.format(more="raise RuntimeError"))
    with pytest.raises(RuntimeError):
        await upgrade(database, versions, METADATA)
    assert await columns(database) == {"id"}
    (versions / "0002_second.py").write_text(SECOND.format(more=""))
    await upgrade(database, versions, METADATA)

    assert await columns(database) == {"id", "size"}


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.postgres
async def test_replicas_that_start_together_upgrade_once(open_database, versions):
    replicas = [open_database() for _ in range(3)]

    await asyncio.gather(*(upgrade(each, versions, METADATA) for each in replicas))

    assert await columns(replicas[0]) == {"id"}
