import pytest

from cassini.contracts.workloads import WorkloadStatus
from cassini.runtime.errors import BackendError
from services.provisioner.backends.base import Pod, PodPhase
from services.provisioner.orphans import Orphans
from services.provisioner.plan import PodName
from tests.provisioner.wishes import WORKLOAD, make_wish
from tests.provisioner.world import open_world

ORPHAN = "e" * 32
NAME = PodName(ORPHAN, 3, 0, 2)


@pytest.fixture
async def world(tmp_path):
    async for each in open_world(tmp_path):
        yield each


async def sweep(world):
    service = world.service
    await Orphans(service.database, world.workloads, world.backend, world.clock).sweep()


def place_orphan(world, declarer="api"):
    world.backend.pods[NAME] = Pod(NAME, declarer, PodPhase.STARTED, ready=True)


async def test_a_pod_without_a_row_is_told_at_generation_0_and_left_alone(world):
    place_orphan(world)
    await sweep(world)
    await world.settle(ORPHAN)
    fact = await world.fact(ORPHAN)
    assert (fact.status, fact.generation, fact.revision) == (WorkloadStatus.UNKNOWN, 0, 3)
    assert (fact.declarer, [each.name for each in fact.pods]) == ("api", [str(NAME)])
    assert world.backend.live() == [NAME]


async def test_it_goes_on_when_its_declarer_says_its_wish_again(world):
    place_orphan(world)
    await sweep(world)
    await world.deliver(make_wish(id=ORPHAN, generation=8, revision=3))
    await world.settle(ORPHAN)
    assert (await world.fact(ORPHAN)).status == WorkloadStatus.RUNNING
    assert world.backend.live() == [NAME]
    assert world.backend.created == []


async def test_it_ends_when_its_declarer_answers_stopped(world):
    place_orphan(world)
    await sweep(world)
    await world.deliver(make_wish(id=ORPHAN, wanted="stopped", revision=3))
    await world.settle(ORPHAN)
    assert (await world.fact(ORPHAN)).status == WorkloadStatus.STOPPED
    assert world.backend.pods == {}


async def test_a_second_sweep_says_nothing_new(world):
    place_orphan(world)
    await sweep(world)
    sequence = (await world.fact(ORPHAN)).sequence
    await sweep(world)
    assert (await world.fact(ORPHAN)).sequence == sequence


async def test_pods_of_an_unknown_declarer_are_left_alone(world):
    place_orphan(world, declarer="somebody")
    await sweep(world)
    assert await world.row(ORPHAN) is None
    assert world.backend.live() == [NAME]


async def test_a_list_that_fails_changes_nothing(world):
    place_orphan(world)

    def refuse(_point):
        raise BackendError("away")

    world.backend.fault = refuse
    with pytest.raises(BackendError):
        await sweep(world)
    assert await world.row(ORPHAN) is None


async def test_a_pod_that_its_row_does_not_want_is_looked_at(world):
    await world.settle_wish(make_wish())
    await world.settle_wish(make_wish(generation=2, wanted="stopped"))
    late = PodName(WORKLOAD, 1, 0, 1)
    world.backend.pods[late] = Pod(late, "api", PodPhase.STARTED)
    world.workloads.queue = queue = Asked()
    await sweep(world)
    assert queue.keys == [WORKLOAD]
    await world.settle()
    assert world.backend.pods == {}


async def test_pods_that_are_wanted_are_not_looked_at(world):
    await world.settle_wish(make_wish())
    world.workloads.queue = queue = Asked()
    await sweep(world)
    assert queue.keys == []


class Asked:
    """A queue that only remembers what was asked for."""

    def __init__(self) -> None:
        self.keys = []

    def add(self, key, **_) -> None:
        self.keys.append(key)
