import pytest

from cassini.contracts.credentials import LeaseStatus
from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import SecretFile, WorkloadStatus
from cassini.runtime.errors import BackendError
from services.provisioner import leases
from services.provisioner.backends.base import EndReason
from services.provisioner.plan import PodName
from tests.provisioner.wishes import WORKLOAD, make_spec, make_wish
from tests.provisioner.world import SECRET, open_world


@pytest.fixture
async def world(tmp_path):
    async for each in open_world(tmp_path):
        yield each


def pod(revision=1, attempt=1) -> PodName:
    return PodName(WORKLOAD, revision, 0, attempt)


def stopped(generation, **changes):
    return make_wish(generation=generation, wanted="stopped", **changes)


async def status_and_reason(world):
    fact = await world.fact()
    return fact.status, fact.reason


async def test_a_start_makes_one_pod_with_its_secrets_and_says_running(world):
    await world.settle_wish(make_wish())
    fact = await world.fact()
    assert (fact.status, fact.generation, fact.revision) == (WorkloadStatus.RUNNING, 1, 1)
    assert [each.name for each in fact.pods] == [str(pod())]
    assert fact.started_at == world.clock.now()
    assert world.backend.created == [pod()]
    assert world.backend.secrets[pod()] == {"SATURN_TOKEN": SECRET}


async def test_intent_is_recorded_before_the_pod_is_made(world):
    await world.deliver(make_wish())
    await world.answer_leases()
    attempts = []

    def look(point):
        if point == "create before":
            raise BackendError("stop here")

    world.backend.fault = look
    await world.step()
    row = await world.row()
    attempts = [rank.attempt for rank in row.state().ranks]
    assert (attempts, world.backend.created) == ([1], [])


async def test_no_secret_value_stands_in_the_rows_or_facts(world):
    await world.settle_wish(make_wish())
    row = await world.row()
    assert SECRET not in f"{row.wish}{row.fact}{row.observed}"


async def test_what_came_sealed_in_the_wish_joins_the_lent_values_and_stays_sealed(world):
    await world.settle_wish(make_wish(sealed=world.sealed({"JUPYTER_TOKEN": "derived-value"})))
    assert world.backend.secrets[pod()] == {
        "SATURN_TOKEN": SECRET,
        "JUPYTER_TOKEN": "derived-value",
    }
    row = await world.row()
    assert "derived-value" not in f"{row.wish}{row.fact}{row.observed}"


async def test_a_wish_that_brings_all_its_values_asks_for_no_lease(world):
    sealed = world.sealed({"JUPYTER_TOKEN": "derived-value"})
    await world.settle_wish(make_wish(spec=make_spec(secrets=()), generation=4, sealed=sealed))
    assert world.asked_for() == []
    assert world.backend.secrets[pod()] == {"JUPYTER_TOKEN": "derived-value"}


@pytest.mark.parametrize(
    "meant_for", [{"resource_id": "d" * 32}, {"generation": 2}], ids=["another id", "a later wish"]
)
async def test_what_was_sealed_for_something_else_is_refused_for_good(world, meant_for):
    await world.settle_wish(make_wish(sealed=world.sealed({"A": "derived-value"}, **meant_for)))
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "SealedTextRefused")
    assert world.backend.created == []
    assert "derived-value" not in (await world.fact()).model_dump_json()


async def test_waiting_for_secrets_is_pending_and_names_the_variables(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.step()
    fact = await world.fact()
    assert (fact.status, fact.reason) == (WorkloadStatus.PENDING, "WaitingForSecrets")
    assert "SATURN_TOKEN" in fact.message
    assert world.backend.created == []


async def test_secret_files_are_asked_for_waited_for_by_path_and_delivered(world):
    world.secrets_answer = False
    path = "/home/jovyan/.key"
    file = SecretFile(path=path, credential_id="d" * 32, minimum_generation=4)
    wish = make_wish(spec=make_spec(secret_files=(file,)))
    await world.deliver(wish)
    await world.step()
    assert path in (await world.fact()).message
    await world.answer_leases()
    (lease,) = world.asked_for()
    asked = [(each.credential_id, each.minimum_generation) for each in lease.credentials]
    assert ("d" * 32, 4) in asked
    pending = {"status": LeaseStatus.PENDING, "sealed": None, "waiting_for": ("d" * 32,)}
    await world.deliver(world.lease_answer(lease, message="it must be set again", **pending))
    await world.step()
    message = (await world.fact()).message
    assert f"{path} (it must be set again)" in message
    assert "SATURN_TOKEN" not in message
    await world.deliver(world.lease_answer(lease, sequence=9))
    await world.settle()
    delivered = world.backend.secrets[pod()]
    assert delivered == {"SATURN_TOKEN": SECRET, "CASSINI_FILE_0": SECRET}


async def test_secrets_that_are_too_long_together_end_the_start_with_the_reason(world, monkeypatch):
    monkeypatch.setattr(leases, "MAX_BYTES", len(SECRET))
    file = SecretFile(path="/home/jovyan/.key", credential_id="d" * 32, minimum_generation=1)
    await world.settle_wish(make_wish(spec=make_spec(secret_files=(file,))))
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "SecretsTooLong")
    assert world.backend.created == []


async def test_a_lease_answered_twice_makes_one_pod(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.answer_leases()
    (wish,) = world.asked_for()
    for _ in range(2):
        await world.deliver(world.lease_answer(wish))
        await world.settle()
    assert world.backend.created == [pod()]


async def test_a_lease_that_is_not_granted_is_waited_for_and_named(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.answer_leases()
    (wish,) = world.asked_for()
    missing = (wish.credentials[0].credential_id,)
    answer = world.lease_answer(wish, status=LeaseStatus.PENDING, sealed=None, waiting_for=missing)
    await world.deliver(answer)
    await world.step()
    assert await status_and_reason(world) == (WorkloadStatus.PENDING, "WaitingForSecrets")
    await world.deliver(world.lease_answer(wish, sequence=9))
    await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.RUNNING, None)


async def test_a_grant_whose_values_were_lost_is_asked_for_again(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.answer_leases()
    (wish,) = world.asked_for()
    world.secrets_answer = True
    await world.deliver(world.lease_answer(wish, sealed=None))
    await world.settle()
    assert [each.generation for each in world.asked_for()] == [1, 2]
    assert await status_and_reason(world) == (WorkloadStatus.RUNNING, None)


async def test_pending_too_long_says_so_and_fails_nothing(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.step()
    world.clock.advance(601)
    await world.step()
    fact = await world.fact()
    assert fact.status == WorkloadStatus.PENDING
    assert fact.message.endswith("This takes more than ten minutes.")


async def test_the_same_wish_again_changes_nothing(world):
    await world.settle_wish(make_wish())
    await world.settle_wish(make_wish())
    assert world.backend.created == [pod()]
    assert (await world.fact()).status == WorkloadStatus.RUNNING


async def test_an_older_wish_that_comes_late_changes_nothing(world):
    await world.settle_wish(stopped(2))
    await world.settle_wish(make_wish(generation=1))
    assert (await world.fact()).status == WorkloadStatus.STOPPED
    assert world.backend.created == []


async def test_stop_ends_with_nothing_listed_and_keeps_the_home(world):
    await world.settle_wish(make_wish())
    await world.settle_wish(stopped(2))
    fact = await world.fact()
    assert (fact.status, fact.generation, fact.pods) == (WorkloadStatus.STOPPED, 2, ())
    assert world.backend.pods == {}
    assert world.backend.homes == {WORKLOAD}
    assert world.asked_for()[-1].wanted == Wanted.ABSENT


async def test_stopped_is_not_said_while_a_pod_is_still_listed(world):
    await world.settle_wish(make_wish())
    world.backend.ends_when_asked = False
    await world.deliver(stopped(2))
    for _ in range(5):
        await world.step()
        assert (await world.fact()).status == WorkloadStatus.STOPPING
    world.backend.end(pod(), 0, EndReason.STOPPED)
    await world.settle()
    assert (await world.fact()).status == WorkloadStatus.STOPPED


async def test_stop_while_starting_ends_stopped(world):
    world.backend.comes_up = False
    await world.deliver(make_wish())
    await world.answer_leases()
    await world.step()
    assert world.backend.live() == [pod()]
    await world.settle_wish(stopped(2))
    assert (await world.fact()).status == WorkloadStatus.STOPPED
    assert world.backend.pods == {}


async def test_stop_while_waiting_for_secrets_makes_no_pod(world):
    world.secrets_answer = False
    await world.deliver(make_wish())
    await world.step()
    await world.settle_wish(stopped(2))
    assert (await world.fact()).status == WorkloadStatus.STOPPED
    assert world.backend.created == []


async def test_a_new_revision_while_starting_ends_the_old_one_first(world):
    world.backend.comes_up = False
    await world.deliver(make_wish())
    await world.answer_leases()
    await world.step()
    world.backend.comes_up = True
    await world.settle_wish(make_wish(generation=2, revision=2))
    assert world.backend.created == [pod(1), pod(2)]
    assert world.backend.live() == [pod(2)]
    assert world.backend.doubles == []
    assert list(world.backend.pods) == [pod(2)]


async def test_a_restart_gives_the_old_revisions_lease_back_when_its_pod_is_gone(world):
    await world.settle_wish(make_wish())
    (first,) = world.asked_for()
    await world.settle_wish(make_wish(generation=2, revision=2))
    last = {wish.id: wish.wanted for wish in world.asked_for()}
    assert last.pop(first.id) == Wanted.ABSENT
    assert list(last.values()) == [Wanted.PRESENT]


async def test_delete_while_starting_ends_absent_with_the_home_in_the_trash(world):
    world.backend.comes_up = False
    await world.deliver(make_wish())
    await world.answer_leases()
    await world.step()
    await world.settle_wish(make_wish(generation=2, wanted="absent"))
    row = await world.row()
    assert (row.tombstone, (await world.fact()).status) == (True, WorkloadStatus.ABSENT)
    assert (world.backend.homes, world.backend.trash) == (set(), [WORKLOAD])


async def test_a_wish_replayed_against_the_tombstone_starts_nothing(world):
    await world.settle_wish(make_wish())
    await world.settle_wish(make_wish(generation=2, wanted="absent"))
    await world.settle_wish(make_wish(generation=1))
    assert (await world.fact()).status == WorkloadStatus.ABSENT
    assert world.backend.pods == {}


async def test_a_wish_past_the_tombstone_revives_with_the_home(world):
    await world.settle_wish(make_wish())
    await world.settle_wish(make_wish(generation=2, wanted="absent"))
    await world.settle_wish(make_wish(generation=3, revision=2))
    assert (await world.fact()).status == WorkloadStatus.RUNNING
    assert (world.backend.homes, world.backend.trash) == ({WORKLOAD}, [])
    recovered = world.backend.calls.index(("recover_home", WORKLOAD))
    assert recovered < world.backend.calls.index(("create", str(pod(2))))
