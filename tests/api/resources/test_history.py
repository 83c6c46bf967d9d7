"""What is remembered of pods: each as it was last, gone or there, bounded in number and age."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlmodel import select

from cassini.contracts.resources import Condition
from services.api.resources import history
from services.api.resources.history import forget_old, pods_of
from services.api.resources.models import PodRecord
from tests.api.resources.pods import MADE_AT, pod, started


@pytest.fixture
async def resource(world, admin):
    return await started(admin)


async def records(world, resource_id):
    async with world.ground.database.read() as session:
        return list(await pods_of(session, resource_id))


async def only(world, resource_id):
    (record,) = await records(world, resource_id)
    return record


@contextmanager
def statements_about_pods(world):
    """Collect the statements that are about records of pods."""
    seen = []

    def note(_connection, _cursor, statement, *_):
        if "pod_record" in statement:
            seen.append(statement.split()[0])

    engine = world.ground.database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_a_pod_is_remembered_from_its_first_fact_on(world, resource):
    await world.workload(resource, "pending", pods=(pod(resource, status="pending"),))
    record = await only(world, resource)
    assert (record.name, record.status) == (f"{resource}-1-0-1", "pending")
    assert (record.started_at, record.finished_at, record.gone) == (MADE_AT + 1001, None, False)


async def test_a_pod_that_ends_keeps_how_it_ended_when_it_is_gone(world, resource):
    failed = pod(
        resource,
        status="error",
        exit_code=3,
        reason="Crashed",
        message="The main command ended (exit code 3).",
        finished_at=MADE_AT + 60,
    )
    await world.workload(resource, "error", pods=(failed,))
    await world.workload(resource, "stopped", pods=())
    record = await only(world, resource)
    assert (record.status, record.exit_code, record.reason) == ("error", 3, "Crashed")
    assert record.message == "The main command ended (exit code 3)."
    assert (record.finished_at, record.gone) == (MADE_AT + 60, True)


@pytest.mark.parametrize("status", ["pending", "running", "stopping"])
async def test_a_pod_that_goes_without_an_end_was_stopped_then(world, resource, status):
    await world.workload(resource, "running", pods=(pod(resource, status=status),))
    await world.workload(resource, "stopped", pods=())
    record = await only(world, resource)
    assert (record.status, record.gone) == ("stopped", True)
    assert record.finished_at == pytest.approx(world.clock.time, abs=1)


@pytest.mark.parametrize("status", ["completed", "unknown", "stopped"])
async def test_a_pod_that_had_ended_stays_as_it_was(world, resource, status):
    await world.workload(resource, "running", pods=(pod(resource, status=status),))
    await world.workload(resource, "stopped", pods=())
    assert (await only(world, resource)).status == status


async def test_crash_restart_and_stop_leave_every_attempt_newest_first(world, resource):
    crashed = pod(resource, status="error", exit_code=1)
    await world.workload(resource, "pending", pods=(crashed,))
    again = pod(resource, attempt=2)
    await world.workload(resource, "running", pods=(again,))
    ended = pod(resource, attempt=2, status="stopped")
    restarted = pod(resource, revision=2, status="pending")
    await world.workload(resource, "pending", pods=(restarted, ended))
    await world.workload(resource, "stopped", pods=())
    found = [(each.name[33:], each.status) for each in await records(world, resource)]
    assert found == [("2-0-1", "stopped"), ("1-0-2", "stopped"), ("1-0-1", "error")]


async def test_one_statement_takes_in_a_change_and_none_a_fact_without_one(world, resource):
    first = pod(resource, status="pending")
    with statements_about_pods(world) as seen:
        await world.workload(resource, "pending", pods=(first,))
    assert seen == ["INSERT", "DELETE"]
    step = Condition(type="Scheduled", status=True)
    looked_at = first.model_copy(update={"conditions": (step,)})
    with statements_about_pods(world) as seen:
        await world.workload(resource, "pending", pods=(looked_at,), message="Preparing.")
    assert seen == []
    running = pod(resource, status="running")
    with statements_about_pods(world) as seen:
        await world.workload(resource, "running", pods=(running,))
        await world.workload(resource, "running", pods=(running,), reason="NotAnswering")
    assert seen == ["INSERT"]
    with statements_about_pods(world) as seen:
        await world.workload(resource, "stopped", pods=())
    assert seen == ["INSERT"]
    assert (await only(world, resource)).gone


async def test_many_pods_are_taken_in_with_as_few_statements(world, resource):
    pods = tuple(pod(resource, rank=rank) for rank in range(1500))
    with statements_about_pods(world) as seen:
        await world.workload(resource, "running", pods=pods)
        await world.workload(resource, "stopped", pods=())
    assert set(seen) == {"INSERT", "DELETE"}
    assert len(seen) < 8
    async with world.ground.database.read() as session:
        gone = (await session.exec(select(PodRecord.gone))).all()
    assert gone == [True] * 1500


async def test_a_fact_that_comes_late_or_twice_changes_nothing(world, resource):
    await world.workload(resource, "running", pods=(pod(resource),))
    await world.workload(resource, "stopped", pods=())
    before = await only(world, resource)
    await world.workload(resource, "running", pods=(pod(resource),), sequence=1)
    assert await only(world, resource) == before


async def test_of_many_pods_the_newest_are_remembered_and_all_that_are_there(
    world, resource, monkeypatch
):
    monkeypatch.setattr(history, "PODS_KEPT", 3)
    for revision in range(1, 8):
        await world.workload(resource, "running", pods=(pod(resource, revision=revision),))
    found = [each.name[33:] for each in await records(world, resource)]
    assert found == ["7-0-1", "6-0-1", "5-0-1", "4-0-1"]


async def test_other_workloads_pods_are_left_alone(world, admin, resource, monkeypatch):
    monkeypatch.setattr(history, "PODS_KEPT", 1)
    other = await started(admin, "second")
    await world.workload(other, "running", pods=(pod(other),))
    await world.workload(other, "stopped", pods=())
    for revision in range(1, 4):
        await world.workload(resource, "running", pods=(pod(resource, revision=revision),))
    assert len(await records(world, other)) == 1


async def test_pods_that_are_gone_for_long_are_forgotten(world, resource):
    await world.workload(resource, "running", pods=(pod(resource),))
    world.clock.time += 20 * 86400
    await world.workload(resource, "running", pods=(pod(resource, revision=2),))
    world.clock.time += 20 * 86400

    async def forget():
        async with world.ground.database.write() as session:
            await forget_old(session, now=world.clock.now(), days=30)

    await forget()
    assert len(await records(world, resource)) == 2
    world.clock.time += 20 * 86400
    with pytest.raises(AssertionError, match="waits for 3600"):  # this clock lets nobody wait
        await world.service.loops["history"]()
    assert [each.name[33:] for each in await records(world, resource)] == ["2-0-1"]


async def test_a_deletion_ends_what_is_remembered_as_there(world, admin, resource):
    await world.workload(resource, "running", pods=(pod(resource),))
    await admin.delete(f"/api/workspaces/{resource}", params={"allow_active": True})
    await world.workload(resource, "absent", pods=())
    record = await only(world, resource)
    assert (record.status, record.gone) == ("stopped", True)
    assert (await admin.get(f"/api/workspaces/{resource}/history")).status_code == 404


async def test_a_pod_whose_making_nobody_noted_began_when_it_was_first_seen(world, resource):
    nameless = pod(resource, created_at=None)
    await world.workload(resource, "pending", pods=(nameless,))
    began = (await only(world, resource)).started_at
    assert began == pytest.approx(world.clock.time, abs=1)
    world.clock.time += 60
    await world.workload(resource, "running", pods=(nameless.model_copy(update={"exit_code": 1}),))
    assert (await only(world, resource)).started_at == began
