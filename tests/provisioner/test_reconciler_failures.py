import pytest

from cassini.contracts.workloads import WorkloadStatus
from cassini.runtime.errors import BackendError, GiveUp
from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.plan import PodName
from tests.provisioner.wishes import WORKLOAD, make_spec, make_wish
from tests.provisioner.world import open_world


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


async def crash(world, exit_code=1):
    world.backend.end(world.backend.live()[0], exit_code)
    await world.settle()


async def test_a_crash_is_started_again_three_times_with_back_off_and_then_is_an_error(world):
    await world.settle_wish(make_wish())
    begun = world.clock.now()
    for _ in range(3):
        await crash(world)
        assert (await world.fact()).status == WorkloadStatus.RUNNING
    assert world.clock.now() - begun >= 1 + 2 + 4
    await crash(world, 5)
    fact = await world.fact()
    assert (fact.status, fact.reason) == (WorkloadStatus.ERROR, "Crashed")
    assert "exit code 5" in fact.message
    assert "4 times in a row" in fact.message
    assert world.backend.created == [pod(attempt=n) for n in (1, 2, 3, 4)]
    assert world.backend.doubles == []


async def test_an_error_stays_until_a_new_revision(world):
    await world.settle_wish(make_wish())
    for _ in range(4):
        await crash(world)
    world.clock.advance(3600)
    await world.settle()
    assert len(world.backend.created) == 4
    await world.settle_wish(make_wish(generation=2, revision=2))
    assert world.backend.live() == [pod(2)]


async def test_ten_minutes_of_being_ready_clear_the_count(world):
    await world.settle_wish(make_wish())
    for _ in range(6):
        await crash(world)
        world.clock.advance(601)
        await world.settle()
    assert (await world.fact()).status == WorkloadStatus.RUNNING


async def test_a_clean_exit_is_completed_and_not_started_again(world):
    await world.settle_wish(make_wish())
    await crash(world, exit_code=0)
    world.clock.advance(3600)
    await world.settle()
    assert (await world.fact()).status == WorkloadStatus.COMPLETED
    assert world.backend.created == [pod()]


async def test_a_failed_preparation_is_an_error_at_once(world):
    await world.settle_wish(make_wish())
    world.backend.end(pod(), 42, EndReason.PREPARATION_FAILED)
    await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "PreparationFailed")
    assert world.backend.created == [pod()]


async def test_out_of_memory_counts_and_is_named(world):
    await world.settle_wish(make_wish())
    for _ in range(4):
        world.backend.end(world.backend.live()[0], 137, EndReason.OOM_KILLED)
        await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "OOMKilled")


@pytest.mark.parametrize(
    "reason", [EndReason.HOST_RESTARTED, EndReason.PORT_TAKEN, EndReason.KEEPER_KILLED]
)
async def test_what_the_workload_did_not_cause_is_started_again_without_counting(world, reason):
    await world.settle_wish(make_wish())
    for _ in range(6):
        world.backend.end(world.backend.live()[0], None, reason)
        await world.settle()
    assert (await world.fact()).status == WorkloadStatus.RUNNING
    assert world.backend.live() == [pod(attempt=7)]


async def test_a_lost_pod_is_started_again(world):
    await world.settle_wish(make_wish())
    world.backend.change(pod(), phase=PodPhase.LOST, ready=False)
    await world.settle()
    assert list(world.backend.pods) == [pod(attempt=2)]
    assert (await world.fact()).status == WorkloadStatus.RUNNING


async def test_a_pod_that_vanished_is_made_again_under_a_new_name(world):
    await world.settle_wish(make_wish())
    world.backend.pods.clear()
    await world.settle()
    assert world.backend.live() == [pod(attempt=2)]


async def test_a_crash_is_started_again_while_nobody_answers_for_secrets(world):
    await world.settle_wish(make_wish())
    asked = len(world.asked_for())
    world.secrets_answer = False

    await crash(world)

    assert (await world.fact()).status == WorkloadStatus.RUNNING
    assert world.backend.live() == [pod(attempt=2)]
    assert asked == len(world.asked_for())


async def test_a_running_pod_is_adopted_by_a_restarted_provisioner(world):
    await world.settle_wish(make_wish())
    world.restart()
    await world.settle()
    assert world.backend.created == [pod()]
    assert (await world.fact()).status == WorkloadStatus.RUNNING


async def test_a_later_attempt_than_remembered_is_adopted(world):
    await world.settle_wish(make_wish())
    world.backend.pods[pod(attempt=3)] = world.backend.pods.pop(pod())
    world.backend.pods[pod(attempt=3)] = type(world.backend.pods[pod(attempt=3)])(
        pod(attempt=3), "api", PodPhase.STARTED, ready=True
    )
    await world.settle()
    assert world.backend.live() == [pod(attempt=3)]
    assert [rank.attempt for rank in (await world.row()).state().ranks] == [3]


async def test_an_unreachable_backend_is_shown_and_tried_for_ever(world):
    def refuse(_point):
        raise BackendError("The place of pods does not answer.")

    await world.deliver(make_wish())
    await world.answer_leases()
    world.backend.fault = refuse
    for _ in range(12):
        assert await world.step() is not None
    fact = await world.fact()
    assert (fact.status, fact.reason) == (WorkloadStatus.PENDING, "BackendUnreachable")
    assert fact.message == "The place of pods does not answer."
    world.backend.fault = lambda _point: None
    await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.RUNNING, None)


async def test_a_running_workload_stays_running_while_the_backend_is_away(world):
    await world.settle_wish(make_wish())

    def refuse(_point):
        raise BackendError("away")

    world.backend.fault = refuse
    await world.step()
    fact = await world.fact()
    assert (fact.status, fact.reason) == (WorkloadStatus.RUNNING, "BackendUnreachable")
    assert len(fact.pods) == 1


async def test_what_can_never_be_made_is_an_error_until_a_new_revision(world):
    wish = make_wish(spec=make_spec(start_script="a\0b"))
    await world.settle_wish(wish)
    fact = await world.fact()
    assert (fact.status, fact.reason) == (WorkloadStatus.ERROR, "InvalidSpec")
    assert "NUL character in the start script" in fact.message
    await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "InvalidSpec")
    await world.settle_wish(make_wish(generation=2, revision=2))
    assert await status_and_reason(world) == (WorkloadStatus.RUNNING, None)


async def test_a_refusal_of_the_backend_is_an_error_with_its_reason(world):
    def refuse(point):
        if point == "create before":
            raise GiveUp("There is no such image.", reason="ImageMissing")

    world.backend.fault = refuse
    await world.settle_wish(make_wish())
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "ImageMissing")


async def fail_unexpectedly(world):
    def surprise(point):
        if point == "list_pods before":
            raise RuntimeError("a bug")

    world.backend.fault = surprise
    for _ in range(8):
        await world.step()
    world.backend.fault = lambda _point: None


async def test_a_bug_is_shown_and_given_up_after_eight_times_until_a_new_revision(world):
    await world.deliver(make_wish())
    await world.answer_leases()
    await fail_unexpectedly(world)
    assert await status_and_reason(world) == (WorkloadStatus.ERROR, "InternalError")
    await world.settle()
    assert world.backend.created == []
    await world.settle_wish(make_wish(generation=2, revision=2))
    assert await status_and_reason(world) == (WorkloadStatus.RUNNING, None)


async def test_a_bug_while_stopping_is_shown_and_the_next_look_goes_on(world):
    await world.settle_wish(make_wish())
    await world.deliver(stopped(2))
    await fail_unexpectedly(world)
    assert await status_and_reason(world) == (WorkloadStatus.STOPPING, "InternalError")
    await world.settle()
    assert await status_and_reason(world) == (WorkloadStatus.STOPPED, None)


async def test_a_wish_that_comes_during_a_step_is_never_told_the_old_wishs_outcome(world):
    await world.settle_wish(make_wish())
    await world.deliver(stopped(2))
    listed = world.backend.list_pods

    async def list_late(workload_id=None):
        pods = await listed(workload_id)
        world.backend.list_pods = listed
        await world.deliver(make_wish(generation=3, revision=2))
        return pods

    world.backend.list_pods = list_late
    assert await world.step() == 0.0
    assert (await world.fact()).generation == 1
    await world.settle()
    assert world.backend.live() == [pod(2)]


async def test_newer_pods_than_the_row_knows_are_left_until_the_declarer_answers(world):
    await world.settle_wish(make_wish(generation=5, revision=2))
    newer = pod(3)
    world.backend.pods[newer] = type(world.backend.pods[pod(2)])(
        newer, "api", PodPhase.STARTED, ready=True
    )
    del world.backend.pods[pod(2)]
    await world.settle()
    fact = await world.fact()
    assert (fact.status, fact.generation, fact.revision) == (WorkloadStatus.UNKNOWN, 0, 3)
    assert world.backend.live() == [newer]
    await world.settle_wish(make_wish(generation=7, revision=3))
    assert (await world.fact()).status == WorkloadStatus.RUNNING
    assert world.backend.live() == [newer]


async def test_newer_pods_end_when_the_declarer_answers_that_it_wants_others(world):
    await world.settle_wish(make_wish(generation=5, revision=2))
    newer = pod(3)
    world.backend.pods[newer] = type(world.backend.pods[pod(2)])(newer, "api", PodPhase.STARTED)
    await world.settle()
    await world.settle_wish(stopped(6, revision=2))
    assert (await world.fact()).status == WorkloadStatus.STOPPED
    assert world.backend.pods == {}
