import pytest

from cassini.contracts.credentials import LeasedCredential, LeaseDeclaredV1, LeaseStatus
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import SecretVariable, WorkloadObservedV1
from services.provisioner.leases import lease_id
from tests.provisioner.wishes import TOKEN, WORKLOAD, make_spec, make_wish
from tests.provisioner.world import open_world

OTHER = "d" * 32


@pytest.fixture
async def world(tmp_path):
    async for each in open_world(tmp_path):
        each.secrets_answer = False
        yield each


async def test_a_wish_to_run_asks_for_its_secrets_in_the_same_transaction(world):
    points = len(world.points)
    await world.deliver(make_wish())
    commits = [point for point in world.points[points:] if point == "commit before"]
    await world.answer_leases()
    (lease,) = world.asked_for()
    assert len(commits) == 1
    assert (lease.id, lease.wanted) == (lease_id(WORKLOAD, 1), Wanted.PRESENT)
    assert lease.credentials == (LeasedCredential(credential_id=TOKEN, minimum_generation=1),)


async def test_a_credential_named_twice_is_asked_for_once_at_the_later_generation(world):
    secrets = tuple(
        SecretVariable(variable=name, credential_id=TOKEN, minimum_generation=least)
        for name, least in (("ONE", 2), ("TWO", 7), ("THREE", 1))
    )
    await world.deliver(make_wish(spec=make_spec(secrets=secrets)))
    await world.answer_leases()
    (lease,) = world.asked_for()
    assert lease.credentials == (LeasedCredential(credential_id=TOKEN, minimum_generation=7),)


async def test_a_wish_without_secrets_asks_for_none_and_starts(world):
    await world.settle_wish(make_wish(spec=make_spec(secrets=())))
    assert world.asked_for() == []
    assert len(world.backend.created) == 1


@pytest.mark.parametrize("wanted", ["stopped", "absent"])
async def test_a_wish_that_runs_nothing_asks_for_no_secrets(world, wanted):
    await world.deliver(make_wish(wanted=wanted, spec=make_spec()))
    await world.answer_leases()
    assert world.asked_for() == []


async def test_the_same_and_older_wishes_ask_for_nothing_more(world):
    for generation in (2, 2, 1):
        await world.deliver(make_wish(generation=generation))
    await world.deliver(make_wish(generation=3))
    await world.answer_leases()
    assert len(world.asked_for()) == 1


async def test_a_repeated_wish_is_answered_with_what_is_seen(world):
    await world.deliver(make_wish())
    await world.step()
    await world.answer_leases()
    before = world.bus.received(WorkloadObservedV1)
    await world.deliver(make_wish())
    await world.answer_leases()
    after = world.bus.received(WorkloadObservedV1)
    assert after == [*before, before[-1]]


async def test_an_answer_wakes_its_workload(world):
    await world.deliver(make_wish())
    await world.step()
    await world.answer_leases()
    asked = (await world.row()).asked
    (lease,) = world.asked_for()
    await world.deliver(world.lease_answer(lease))
    row = await world.row()
    assert (row.asked, row.due_at) == (asked + 1, world.clock.now())


async def test_an_older_answer_that_comes_late_changes_nothing(world):
    await world.deliver(make_wish())
    await world.answer_leases()
    (lease,) = world.asked_for()
    await world.deliver(world.lease_answer(lease, sequence=9))
    late = world.lease_answer(lease, status=LeaseStatus.PENDING, sealed=None, sequence=3)
    await world.deliver(late)
    await world.settle()
    assert len(world.backend.created) == 1


async def test_a_repetition_without_values_does_not_take_them_away(world):
    await world.deliver(make_wish())
    await world.answer_leases()
    (lease,) = world.asked_for()
    answer = world.lease_answer(lease)
    await world.deliver(answer)
    await world.deliver(answer.model_copy(update={"sealed": None}))
    await world.settle()
    assert len(world.backend.created) == 1
    assert len(world.asked_for()) == 1


async def test_a_lease_nobody_here_knows_is_given_back(world):
    stray = LeaseDeclaredV1(
        id=OTHER, declarer=ServiceName.PROVISIONER, generation=4, wanted=Wanted.PRESENT
    )
    await world.deliver(world.lease_answer(stray))
    await world.answer_leases()
    (lease,) = world.asked_for()
    assert (lease.id, lease.wanted, lease.generation) == (OTHER, Wanted.ABSENT, 5)


async def test_an_unknown_lease_that_is_absent_already_is_left_alone(world):
    stray = LeaseDeclaredV1(
        id=OTHER, declarer=ServiceName.PROVISIONER, generation=4, wanted=Wanted.ABSENT
    )
    await world.deliver(world.lease_answer(stray))
    await world.answer_leases()
    assert world.asked_for() == []


async def test_another_askers_lease_is_dropped(world):
    stray = LeaseDeclaredV1(
        id=OTHER, declarer=ServiceName.BUILDER, generation=4, wanted=Wanted.PRESENT
    )
    await world.deliver(world.lease_answer(stray, declarer=ServiceName.BUILDER))
    await world.answer_leases()
    assert world.asked_for() == []


async def test_a_started_again_revision_asks_anew_for_a_lease_it_gave_back(world):
    world.secrets_answer = True
    await world.settle_wish(make_wish())
    await world.settle_wish(make_wish(generation=2, wanted="stopped"))
    await world.settle_wish(make_wish(generation=3))
    wanted = [lease.wanted for lease in world.asked_for()]
    assert wanted == [Wanted.PRESENT, Wanted.ABSENT, Wanted.PRESENT]
    assert len(world.backend.live()) == 1


def test_a_lease_id_is_always_the_same_and_differs_by_revision():
    assert lease_id(WORKLOAD, 1) == lease_id(WORKLOAD, 1)
    assert lease_id(WORKLOAD, 1) != lease_id(WORKLOAD, 2)
    assert len(lease_id(WORKLOAD, 1)) == 32
