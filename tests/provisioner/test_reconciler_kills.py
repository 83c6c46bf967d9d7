"""A kill at every call into database and backend, before and after its effect, one at a time."""

import pytest
from sqlalchemy import select

from cassini.contracts.workloads import WorkloadStatus
from cassini.runtime.log_source import LogLine
from services.provisioner import archive
from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.plan import PodName
from services.provisioner.tables import TABLES
from tests.provisioner.wishes import WORKLOAD, make_wish
from tests.provisioner.world import World


async def start(world):
    await world.settle_wish(make_wish())


async def begin(world):
    """Start, but only as far as that a pod is being made."""
    world.backend.comes_up = False
    await world.deliver(make_wish())
    await world.answer_leases()
    await world.step()
    await world.step()
    world.backend.comes_up = True


async def talk(world):
    """Print more than fits into two chunks of the archive."""
    for name in world.backend.live():
        world.backend.logs[name] += [LogLine(float(n), f"line {n}") for n in range(5)]


async def stop(world):
    await world.settle_wish(make_wish(generation=2, wanted="stopped"))


async def restart(world):
    await world.settle_wish(make_wish(generation=2, revision=2))


async def delete(world):
    await world.settle_wish(make_wish(generation=2, wanted="absent"))


async def revive(world):
    await world.settle_wish(make_wish(generation=3, revision=2))


async def crash(world):
    for name in world.backend.live():
        world.backend.end(name, 1)
    await world.settle()


async def lose(world):
    for name in world.backend.live():
        world.backend.change(name, phase=PodPhase.LOST, ready=False)
    await world.settle()


async def fail_to_prepare(world):
    for name in world.backend.live():
        world.backend.end(name, 1, EndReason.PREPARATION_FAILED)
    await world.settle()


STORIES = {
    "start": (start,),
    "start and stop": (start, stop),
    "talk and stop": (start, talk, stop),
    "talk and restart": (start, talk, restart),
    "stop while starting": (begin, stop),
    "start and restart": (start, restart),
    "restart while starting": (begin, restart),
    "delete while starting": (begin, delete),
    "delete and revive": (start, delete, revive),
    "crash once": (start, crash),
    "lost": (start, lose),
    "a preparation that fails": (start, fail_to_prepare),
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(archive, "LINES_OF_A_CHUNK", 2)


async def tell(directory, story, crash_at=None):
    """Run a story, killed at one point of its last chapter; returns its end and those points."""
    directory.mkdir()
    async with World(directory) as world:
        for chapter in story[:-1]:
            await chapter(world)
        world.points.clear()
        world.crash_at = crash_at
        await story[-1](world)
        await world.settle()
        points = list(world.points)
        assert world.crashes == (crash_at is not None)
        fact = await world.fact()
        async with world.service.database.read() as session:
            leases = (await session.execute(select(TABLES.declaration))).all()
        end = {
            "fact": (fact.status, fact.generation, fact.revision, fact.reason),
            "pods": [(each.name, each.status, each.ready) for each in fact.pods],
            "made": world.backend.created,
            "there": sorted(world.backend.pods),
            "homes": (world.backend.homes, world.backend.trash),
            "printed": {name: await printed(world, name) for name in world.backend.created},
            "leases": sorted((each.id, each.wish["wanted"]) for each in leases),
            "two at once": world.backend.doubles,
        }
        return end, points


async def printed(world, name):
    """Return all that a pod has printed, wherever it is kept, with the numbers of the lines."""
    page = await world.service.pod_log_page(str(name), first=0, lines=1000)
    return list(enumerate((line.text for line in page.lines), page.first))


@pytest.mark.parametrize("name", STORIES)
async def test_a_kill_at_any_point_changes_nothing_of_the_end(tmp_path, name):
    story = STORIES[name]
    expected, points = await tell(tmp_path / "whole", story)
    assert expected["two at once"] == []
    # Between two effects nothing lasts: before the next one is the same as after the last one.
    ends = [n for n, point in enumerate(points) if n == 0 or point.endswith("after")]
    for number, point in ((n, points[n]) for n in ends):
        end, _ = await tell(tmp_path / str(number), story, number)
        assert (number, point, end) == (number, point, expected)


async def test_the_stories_end_as_told(tmp_path):
    ends = {name: (await tell(tmp_path / name, story))[0] for name, story in STORIES.items()}
    assert {name: end["fact"][0] for name, end in ends.items()} == {
        "start": WorkloadStatus.RUNNING,
        "start and stop": WorkloadStatus.STOPPED,
        "talk and stop": WorkloadStatus.STOPPED,
        "talk and restart": WorkloadStatus.RUNNING,
        "stop while starting": WorkloadStatus.STOPPED,
        "start and restart": WorkloadStatus.RUNNING,
        "restart while starting": WorkloadStatus.RUNNING,
        "delete while starting": WorkloadStatus.ABSENT,
        "delete and revive": WorkloadStatus.RUNNING,
        "crash once": WorkloadStatus.RUNNING,
        "lost": WorkloadStatus.RUNNING,
        "a preparation that fails": WorkloadStatus.ERROR,
    }
    assert ends["lost"]["there"] == [PodName(WORKLOAD, 1, 0, 2)]
    first = PodName(WORKLOAD, 1, 0, 1)
    lines = [f"{first} begins", *(f"line {n}" for n in range(5))]
    for name in ("talk and stop", "talk and restart"):
        assert first not in ends[name]["there"]
        assert ends[name]["printed"][first] == list(enumerate(lines))
    assert all(lines for end in ends.values() for lines in end["printed"].values())
