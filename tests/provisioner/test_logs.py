"""What a pod printed is read from the backend, and from the archive once the pod is gone."""

import pytest

from cassini.runtime.log_source import NO_LINES, LogLine
from services.provisioner.plan import PodName
from tests.provisioner.wishes import WORKLOAD, make_wish
from tests.provisioner.world import open_world

POD = PodName(WORKLOAD, 1, 0, 1)


@pytest.fixture
async def world(tmp_path):
    async for each in open_world(tmp_path):
        yield each


def lines(count, start=0):
    return [LogLine(1000.0 + n, f"line {n}") for n in range(start, start + count)]


async def stop(world, generation=2):
    await world.settle_wish(make_wish(generation=generation, wanted="stopped"))
    assert world.backend.pods == {}


async def texts(world, name=POD, *, previous=False, last=100):
    found = await world.service.pod_logs(str(name), previous=previous, lines=last)
    return [line.text for line in found]


async def test_the_last_lines_of_a_pod_are_the_same_when_it_is_gone(world):
    await world.settle_wish(make_wish())
    world.backend.logs[POD] = lines(10)
    live = await world.service.pod_logs(str(POD), previous=False, lines=3)
    await stop(world)
    assert live == lines(3, start=7)
    assert await world.service.pod_logs(str(POD), previous=False, lines=3) == live


async def test_whoever_pages_while_the_pod_goes_gets_every_line_once(world):
    await world.settle_wish(make_wish())
    world.backend.logs[POD] = lines(10_000)
    found, first = [], 0
    while True:
        page = await world.service.pod_log_page(str(POD), first=first, lines=700)
        assert page.first == first
        found += page.lines
        if not page.more:
            break
        first = page.next
        if first == 4200:
            await stop(world)
    assert found == lines(10_000)


async def test_the_attempt_before_is_read_whether_it_is_there_or_gone(world):
    await world.settle_wish(make_wish())
    world.backend.logs[POD] = lines(2)
    world.backend.end(POD, 1)
    await world.settle()
    second = PodName(WORKLOAD, 1, 0, 2)
    assert POD not in world.backend.pods
    assert await texts(world, second, previous=True) == ["line 0", "line 1"]
    await stop(world)
    assert await texts(world, second, previous=True) == ["line 0", "line 1"]
    assert await texts(world, POD, previous=True) == []


async def test_a_log_outlives_its_workload(world):
    await world.settle_wish(make_wish())
    world.backend.logs[POD] = lines(2)
    await world.settle_wish(make_wish(generation=2, wanted="absent"))
    assert (await world.row()).tombstone
    assert await texts(world) == ["line 0", "line 1"]


async def test_no_session_is_open_while_the_backend_is_read(world):
    await world.settle_wish(make_wish())
    pool = world.service.database._writer.pool, world.service.database._reader.pool
    taken = []
    world.backend.fault = lambda point: (
        taken.append([each.checkedout() for each in pool]) if point == "read_logs before" else None
    )
    await stop(world)
    assert taken
    assert all(each == [0, 0] for each in taken)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", str(POD), f"{WORKLOAD}-1-0-999"])
async def test_what_is_no_pod_has_no_lines(world, name):
    assert await world.service.pod_logs(name, previous=False, lines=5) == []
    assert await world.service.pod_log_page(name, first=3, lines=5) == NO_LINES
