"""The model's walk, driven over the tables, outboxes and claims that the services use."""

import os
import random

import pytest

from cassini.runtime.database import Database
from cassini.testing.databases import sqlite_url
from tests.contracts.protocol_walk import Walk
from tests.contracts.protocol_world import Broken
from tests.runtime.protocol_on_tables import DECLARER, TableDeclarer, TableOwner, WalkTable

STEPS = int(os.environ.get("CASSINI_MODEL_TABLE_STEPS", "100"))
SEED = int(os.environ.get("CASSINI_MODEL_SEED", "0")) or random.SystemRandom().getrandbits(32)


async def open_side(directory, metadata):
    directory.mkdir()
    database = Database(sqlite_url(directory))
    await database.run_sync(metadata.create_all)
    return database


@pytest.mark.parametrize("number", range(3))
async def test_both_sides_agree_on_tables_after_any_trouble(tmp_path, clock, number):
    declarer = await open_side(tmp_path / "declarer", DECLARER)
    owner = await open_side(tmp_path / "owner", WalkTable.metadata)
    rng = random.Random(f"{SEED}/{number}")
    walk = Walk(rng, clock, TableDeclarer(declarer, clock), TableOwner(owner, clock))
    try:
        await walk.take_steps(STEPS)
        await walk.come_to_rest()
        await walk.check()
    except Broken as broken:
        broken.add_note(f"CASSINI_MODEL_SEED={SEED}, walk {number}\n" + "\n".join(walk.trace))
        raise
    finally:
        await declarer.close()
        await owner.close()
