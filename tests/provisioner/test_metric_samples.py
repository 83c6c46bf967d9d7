"""Rows of samples on both databases: each once, read over both grids, gone by age."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from cassini.runtime.migrations import upgrade
from services.provisioner.backends.base import PodUsage
from services.provisioner.metric_samples import (
    COARSE,
    FINE,
    MetricSample,
    drop_old_samples,
    read_samples,
    write_samples,
)
from services.provisioner.metric_series import Sample
from services.provisioner.plan import PodName
from services.provisioner.tables import TABLES
from tests.provisioner.wishes import WORKLOAD

NOW = 1_800_000_000.0  # a multiple of both grids
OTHER = "d" * 32
POD = PodName(WORKLOAD, 1, 0, 1)
LONG_AGO = NOW - 10 * COARSE.keep


@pytest.fixture
async def store(database):
    await database.run_sync(TABLES.metadata.create_all)
    return database


def used(cpu_seconds, *, name=POD, began_at=LONG_AGO, **changes):
    values = {"memory_bytes": 1000, "received_bytes": 10, "sent_bytes": 20}
    return PodUsage(name, began_at, cpu_seconds, **(values | changes))


async def write(store, usage, at):
    async with store.write() as session:
        await write_samples(session, [usage], at)


async def read(store, start, end, *, now=NOW, workload_id=WORKLOAD):
    async with store.read() as session:
        return await read_samples(session, workload_id, start=start, end=end, now=now)


async def times(store, start, end, *, now=NOW):
    """Return when the pod's samples were taken, relative to NOW."""
    return [sample.at - NOW for sample in (await read(store, start, end, now=now))[str(POD)]]


async def rows(store):
    """Return how many rows there are of each grid."""
    async with store.read() as session:
        query = select(col(MetricSample.step), func.count()).group_by(col(MetricSample.step))
        found = dict((await session.execute(query)).all())
    return found.get(FINE.step, 0), found.get(COARSE.step, 0)


async def test_a_sample_is_read_as_it_was_written(store):
    big = 1 << 40
    await write(store, used(1.5, memory_bytes=big, received_bytes=big, sent_bytes=None), NOW - 1)
    found = await read(store, NOW - 60, NOW)
    assert found == {str(POD): [Sample(NOW - 1, 1.5, big, big, None)]}


@pytest.mark.blocks_loop("alembic is loaded on first use, at a start")
async def test_a_migrated_database_keeps_samples_too(database):
    await upgrade(database, TABLES.versions, TABLES.metadata)
    for _ in range(2):
        await write(database, used(1.5), NOW)
    assert await rows(database) == (1, 1)


async def test_a_slot_keeps_the_first_of_its_samples(store):
    await write(store, used(1.0), NOW)
    await write(store, used(2.0), NOW + 14.9)
    await write(store, used(3.0), NOW + 15)
    found = await read(store, NOW, NOW + 60, now=NOW + 60)
    assert [sample.cpu_seconds for sample in found[str(POD)]] == [1.0, 3.0]
    assert await rows(store) == (2, 1)


async def test_two_replicas_that_write_at_once_write_each_sample_once(store, open_database):
    other = open_database()
    usages = [used(1.0, name=PodName(f"{number:032x}", 1, 0, 1)) for number in range(50)]

    async def write_all(database, pods):
        async with database.write() as session:
            await write_samples(session, pods, NOW)

    await asyncio.gather(write_all(store, usages), write_all(other, usages[::-1]))
    assert await rows(store) == (50, 50)


async def test_the_beginning_of_a_young_pod_is_a_sample_of_zeros(store):
    await write(store, used(4.0, began_at=NOW - 5, sent_bytes=None), NOW)
    await write(store, used(9.0, began_at=NOW - 5, sent_bytes=None), NOW + 15)
    found = (await read(store, NOW - 60, NOW + 60, now=NOW + 60))[str(POD)]
    assert found[0] == Sample(NOW - 5, 0, None, 0, None)
    assert [sample.cpu_seconds for sample in found] == [0, 4.0, 9.0]


async def test_a_pod_that_is_not_young_has_no_beginning_here(store):
    await write(store, used(4.0, began_at=NOW - 2 * COARSE.step), NOW)
    assert await times(store, NOW - 3600, NOW + 1) == [0]


async def test_a_few_samples_around_the_time_are_read_too(store):
    for slot in range(-10, 10):
        await write(store, used(1.0), NOW + slot * 15)
    assert await times(store, NOW, NOW + 15) == [-30, -15, 0, 15, 30]


async def test_workloads_are_apart(store):
    await write(store, used(1.0), NOW)
    assert await read(store, NOW - 60, NOW + 60, workload_id=OTHER) == {}


async def test_pods_come_in_the_order_of_their_first_sample(store):
    second = PodName(WORKLOAD, 1, 0, 2)
    await write(store, used(1.0, name=second), NOW)
    await write(store, used(1.0), NOW - 30)
    await write(store, used(2.0), NOW + 30)
    assert list(await read(store, NOW - 60, NOW + 60)) == [str(POD), str(second)]


async def test_what_the_fine_grid_has_no_more_comes_from_the_coarse_one(store):
    for slot in range(40):  # ten minutes
        await write(store, used(float(slot)), NOW + slot * 15)
    later = NOW + FINE.keep + 300
    assert await times(store, NOW, NOW + 600, now=later) == [0, *range(300, 600, 15)]
    async with store.write() as session:
        await drop_old_samples(session, later)
    assert await rows(store) == (20, 2)
    assert await times(store, NOW, NOW + 600, now=later) == [0, *range(300, 600, 15)]


async def test_old_samples_go_and_young_ones_stay(store):
    await write(store, used(1.0), NOW - COARSE.keep - COARSE.step)
    await write(store, used(2.0), NOW - COARSE.keep)
    await write(store, used(3.0), NOW - FINE.keep)
    async with store.write() as session:
        await drop_old_samples(session, NOW)
    assert await rows(store) == (1, 2)
    assert await times(store, LONG_AGO, NOW) == [-COARSE.keep, -FINE.keep]
