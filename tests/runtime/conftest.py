import pytest

from tests.runtime.things import Stage, ThingTable


@pytest.fixture
async def stage(database, clock):
    await database.run_sync(ThingTable.metadata.create_all)
    return Stage(database, clock)


@pytest.fixture
def replica(stage, open_database, clock):
    """A second replica of the same service, on the same bus."""
    return Stage(open_database(), clock, stage.bus)
