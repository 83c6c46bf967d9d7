"""A page of one owner's workspaces is read from its index alone: no sort, no scan of the rest."""

import json
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert, text

from cassini.contracts.resources import new_id
from services.api.resources.models import Workspace

PATH = "/api/workspaces"
OWNERS, EACH = 20, 150


def workspace(owner_id, number):
    row_id = new_id()
    return {
        "id": row_id,
        "owner_id": owner_id,
        "created_at": float(number),
        "updated_at": float(number),
        "deleted_at": None,
        "name": f"w-{number}",
        "image_tag_id": "i" * 32,
        "instance_size": "small",
        "working_dir": "/home/jovyan",
        "disk_space": "10Gi",
        "auto_shutoff": "Never",
        "subdomain": row_id,
    }


@pytest.fixture
async def owner_id(world, admin):
    """Many workspaces of many owners; returns one of the owners."""
    owner = (await admin.get("/api/user/owners")).json()["owners"][0]["id"]
    owners = [owner, *(new_id() for _ in range(OWNERS - 1))]
    rows = [workspace(each, number) for number in range(EACH) for each in owners]
    for row in rows:
        row["image_tag_id"] = world.tag.id
    async with world.ground.database.write() as session:
        await session.execute(insert(Workspace), rows)
    async with world.ground.database.write() as session:
        await session.execute(text("ANALYZE"))
    return owner


@contextmanager
def statements_about(database, table):
    """Collect what is asked of a table, with its parameters."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if f"FROM {table}" in statement:
            asked.append((statement, parameters))

    engine = database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


async def plan_of(database, statement, parameters):
    """Return how the database goes about a statement, as one text."""
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN (FORMAT JSON)"
    async with database.read() as session:
        connection = await session.connection()
        rows = (await connection.exec_driver_sql(f"{explain} {statement}", parameters)).all()
    if database.is_sqlite:
        return "\n".join(row[3] for row in rows)
    return json.dumps(rows[0][0])


@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_of_one_owner_uses_its_index_and_sorts_nothing(
    world, admin, owner_id, descending
):
    database = world.ground.database
    asked = {"page_size": 20, "descending": descending}
    with statements_about(database, "workspace") as statements:
        first = await admin.get(PATH, params=asked)
        second = await admin.get(PATH, params=asked | {"next_key": first.json()["next_key"]})
        named = await admin.get(PATH, params=asked | {"owner_id": owner_id})
    assert [len(each.json()["workspaces"]) for each in (first, second, named)] == [20] * 3
    assert len(statements) == 3, "a page is one query"
    for statement, parameters in statements:
        plan = await plan_of(database, statement, parameters)
        assert "workspace_page" in plan, plan
        for word in ("SCAN", "TEMP B-TREE", 'Sort"', "Seq Scan", "Bitmap", "Filter"):
            assert word not in plan, plan
