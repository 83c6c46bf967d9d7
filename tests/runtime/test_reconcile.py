"""Claims, settling and failing: at most one worker a row, and no result of a lost claim."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from cassini.contracts.images import ImageStatus
from cassini.runtime.errors import BackendError, GiveUp, Retry
from cassini.runtime.reconcile import Settled
from cassini.testing.waiting import until
from tests.runtime.things import ID, OTHER_ID, wish


@asynccontextmanager
async def running(*reconcilers):
    tasks = [asyncio.create_task(each.run()) for each in reconcilers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Steps:
    """A step that a test can hold and look into."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.claims = []
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, claim):
        self.claims.append(claim)
        self.entered.set()
        await self.go_on.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else Settled()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def write_note(_session, row):
    row.note = "done"


async def test_a_step_is_settled_in_one_transaction(stage):
    await stage.accept(wish(1))
    reconciler = stage.reconciler(Steps(Settled(write=write_note)))

    assert await reconciler.reconcile(ID) is None
    row = await stage.row()
    assert (row.note, row.due_at, row.claim_token) == ("done", None, None)


async def test_a_step_that_comes_back_is_due_again(stage):
    await stage.accept(wish(1))
    reconciler = stage.reconciler(Steps(Settled(again=7)))

    assert await reconciler.reconcile(ID) == 7
    assert (await stage.row()).due_at == stage.clock.now() + 7


async def test_of_two_replicas_one_works_on_a_row(stage, replica):
    await stage.accept(wish(1))
    steps = Steps()
    steps.go_on.clear()
    first = asyncio.create_task(stage.reconciler(steps).reconcile(ID))
    await steps.entered.wait()

    assert await replica.reconciler(steps).reconcile(ID) is None
    steps.go_on.set()
    await first
    assert len(steps.claims) == 1


async def test_claims_at_the_same_moment_are_exclusive(stage, replica):
    await stage.accept(wish(1))
    one, other = stage.reconciler(Steps()), replica.reconciler(Steps())

    for _ in range(10):
        claims = await asyncio.gather(one._claim(ID), other._claim(ID))
        assert sum(claim is not None for claim in claims) == 1
        await one.clear_claims()


async def test_an_expired_claim_is_taken_over_and_its_result_thrown_away(stage, replica):
    await stage.accept(wish(1))
    slow, quick = Steps(Settled(write=write_note)), Steps()
    slow.go_on.clear()
    dead = stage.reconciler(slow)
    task = asyncio.create_task(dead.reconcile(ID))
    await slow.entered.wait()
    async with stage.database.write() as session:  # as if the renewals had not come through
        (await stage.owned.get(session, ID)).claim_expires = stage.clock.now() - 1
    await replica.reconciler(quick).reconcile(ID)
    slow.go_on.set()

    assert await task is None
    assert len(quick.claims) == 1
    assert (await stage.row()).note == ""


async def test_a_claim_is_renewed_while_the_step_runs(stage, replica):
    await stage.accept(wish(1))
    steps = Steps()
    steps.go_on.clear()
    task = asyncio.create_task(stage.reconciler(steps).reconcile(ID))
    await steps.entered.wait()
    for _ in range(6):
        await until(lambda: stage.clock.sleepers)
        stage.clock.advance(10)
        await until(lambda: stage.clock.sleepers)
        assert await replica.reconciler(Steps()).reconcile(ID) is None
    assert (await stage.row()).claim_expires > stage.clock.now()
    steps.go_on.set()
    await task


async def test_what_was_asked_for_during_a_step_comes_at_once(stage):
    await stage.accept(wish(1))
    steps = Steps(Settled(again=600))
    steps.go_on.clear()
    task = asyncio.create_task(stage.reconciler(steps).reconcile(ID))
    await steps.entered.wait()
    async with stage.database.write() as session:
        stage.owned.wake(session, await stage.owned.get(session, ID))
    steps.go_on.set()

    assert await task == 0.0
    assert (await stage.row()).due_at == stage.clock.now()


@pytest.mark.parametrize("ending", [Settled(write=write_note), GiveUp("no", reason="No")])
async def test_the_ending_of_a_step_is_void_when_a_newer_wish_came(stage, ending):
    await stage.accept(wish(1))
    steps = Steps(ending)
    steps.go_on.clear()
    task = asyncio.create_task(stage.reconciler(steps).reconcile(ID))
    await steps.entered.wait()
    await stage.accept(wish(2))
    steps.go_on.set()

    assert await task == 0.0
    row = await stage.row()
    assert (row.note, row.fact, row.tries) == ("", None, 0)


async def test_facts_told_in_a_step_are_of_the_wish_it_has_read(stage):
    async def step(claim):
        await stage.accept(wish(2))
        async with claim.write() as (session, row):
            await stage.owned.observe(session, row, status=ImageStatus.BUILDING)
        return Settled()

    await stage.accept(wish(1))
    await stage.reconciler(step).reconcile(ID)

    (said,) = await stage.send_all()
    assert (said.generation, said.wish_digest) == (1, wish(1).digest())


async def test_give_up_ends_the_work_with_its_reason(stage):
    await stage.accept(wish(1))
    reconciler = stage.reconciler(Steps(GiveUp("there is no such package", reason="NoPackage")))

    assert await reconciler.reconcile(ID) is None
    row = await stage.row()
    assert row.due_at is None
    assert row.fact["status"] == ImageStatus.ERROR
    assert row.fact["message"] == "there is no such package"


async def test_an_outside_error_is_repeated_without_limit(stage):
    await stage.accept(wish(1))
    errors = [BackendError("away") if n % 2 else Retry("later", after=3) for n in range(30)]
    reconciler = stage.reconciler(Steps(*errors))

    waits = [await reconciler.reconcile(ID) for _ in range(30)]
    assert set(waits[::2]) == {3}
    assert waits[-1] == 60
    assert (await stage.row()).fact["status"] == ImageStatus.PENDING


async def test_an_unknown_exception_is_given_up_at_the_eighth_time(stage):
    await stage.accept(wish(1))
    reconciler = stage.reconciler(Steps(*[ValueError("odd")] * 8))

    waits = [await reconciler.reconcile(ID) for _ in range(8)]
    assert None not in waits[:7]
    assert waits[7] is None
    assert (await stage.row()).fact["message"] == "unexpected ValueError: odd"


async def test_outside_errors_do_not_count_towards_giving_up(stage):
    await stage.accept(wish(1))
    reconciler = stage.reconciler(Steps(*[BackendError("away")] * 20, ValueError("odd")))

    for _ in range(20):
        await reconciler.reconcile(ID)
    assert await reconciler.reconcile(ID) is not None
    assert (await stage.row()).fact["status"] == ImageStatus.PENDING


async def test_a_step_that_works_clears_the_count(stage):
    await stage.accept(wish(1))
    outcomes = [*[ValueError()] * 7, Settled(again=0), *[ValueError()] * 7]
    reconciler = stage.reconciler(Steps(*outcomes))

    for _ in range(15):
        await reconciler.reconcile(ID)
    assert (await stage.row()).fact["status"] == ImageStatus.PENDING


async def test_a_wrong_statement_is_an_unknown_exception_and_an_outage_is_not(stage):
    await stage.accept(wish(1))
    wrong, away = IntegrityError("", {}, Exception()), OperationalError("", {}, Exception())
    reconciler = stage.reconciler(Steps(wrong, away))

    assert await reconciler.reconcile(ID) is not None
    assert (await stage.row()).surprises == 1
    with pytest.raises(OperationalError):
        await reconciler.reconcile(ID)
    assert (await stage.row()).surprises == 1


async def test_the_loop_works_on_what_is_accepted(stage):
    reconciler = stage.reconciler(Steps(Settled(write=write_note)))
    async with running(reconciler):
        await stage.accept(wish(1))
        await stage.owned.queue.join()

    assert (await stage.row()).note == "done"


async def test_the_loop_finds_what_it_was_not_told_of(stage, replica):
    await replica.accept(wish(1))
    async with running(stage.reconciler(Steps(Settled(write=write_note)))):
        await until(lambda: row_is_done(stage))


async def test_the_row_of_a_replica_that_died_is_worked_on_within_twenty_seconds(stage, replica):
    await stage.accept(wish(1))
    assert await replica.reconciler(Steps())._claim(ID) is not None
    async with running(stage.reconciler(Steps(Settled(write=write_note)))):
        for _ in range(20):
            await until(lambda: stage.clock.sleepers)
            stage.clock.advance(1)
        await until(lambda: row_is_done(stage))


async def row_is_done(stage, resource_id=ID):
    return (await stage.row(resource_id)).note == "done"


async def test_a_row_whose_failure_cannot_be_written_does_not_hold_up_others(stage):
    async def broken(_session, _row, _error, _final):
        raise RuntimeError("this cannot be written either")

    steps = Steps(ValueError(), Settled(write=write_note))
    async with running(stage.reconciler(steps, broken, workers=1)):
        await stage.accept(wish(1))
        await stage.owned.queue.join()
        await stage.accept(wish(1, resource_id=OTHER_ID))
        await stage.owned.queue.join()

    assert await row_is_done(stage, OTHER_ID)
    assert (await stage.row()).due_at is not None


async def test_stopping_lets_the_step_under_way_end(stage):
    await stage.accept(wish(1))
    steps = Steps(Settled(write=write_note))
    steps.go_on.clear()
    task = asyncio.create_task(stage.reconciler(steps).run())
    await steps.entered.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert done == set()
    steps.go_on.set()
    await asyncio.wait([task])

    row = await stage.row()
    assert (row.note, row.claim_token) == ("done", None)


async def test_old_claims_are_void_where_one_process_works_alone(stage):
    await stage.accept(wish(1))
    assert await stage.reconciler(Steps())._claim(ID) is not None
    steps = Steps()
    successor = stage.reconciler(steps)
    await successor.clear_claims()
    await successor.reconcile(ID)

    assert len(steps.claims) == 1
