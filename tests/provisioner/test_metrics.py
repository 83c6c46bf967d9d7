"""Sampling all pods in one go, from none to several samplers, and reading it back."""

import asyncio

import pytest
from sqlalchemy import func, select

from cassini.runtime.errors import BackendError
from cassini.testing.waiting import until
from services.provisioner.backends.base import EndReason, PodUsage
from services.provisioner.metric_samples import COARSE, FINE, MetricSample
from services.provisioner.metrics import Metrics
from services.provisioner.plan import plan_pod
from services.provisioner.tables import TABLES
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD, make_spec, make_wish

OTHER = "d" * 32


@pytest.fixture
async def store(database):
    await database.run_sync(TABLES.metadata.create_all)
    return database


@pytest.fixture
def backend(clock):
    return ScriptedBackend(clock)


@pytest.fixture
def metrics(store, backend, clock):
    return Metrics(store, backend, clock)


async def begin(backend, workload_id=WORKLOAD, attempt=1):
    wish = make_wish(id=workload_id, spec=make_spec(secrets=()))
    plan = plan_pod(wish, 0, attempt)
    await backend.create(plan, {})
    return plan.name


def use(backend, name, cpu_seconds, transferred=0, memory=1000):
    began_at = backend.pods[name].created_at
    backend.used[name] = PodUsage(name, began_at, cpu_seconds, memory, transferred, transferred * 2)


async def rows(store):
    async with store.read() as session:
        return (await session.execute(select(func.count()).select_from(MetricSample))).scalar()


async def read(metrics, clock, seconds=3600.0, step=15, workload_id=WORKLOAD):
    now = clock.now()
    return await metrics.read(workload_id, start=now - seconds, end=now, step=step)


def total(found, name):
    return sum(value for _, value in found.series[name])


async def test_while_no_pod_runs_nothing_is_written(metrics, store, backend):
    await metrics.sample()
    name = await begin(backend)
    backend.end(name, 0)
    await metrics.sample()
    assert await rows(store) == 0


async def test_all_pods_are_measured_in_one_call(metrics, backend, clock):
    for workload_id in (WORKLOAD, OTHER):
        await begin(backend, workload_id)
    await metrics.sample()
    assert [call for call, _ in backend.calls].count("measure") == 1
    clock.advance(15)
    await metrics.sample()
    for workload_id in (WORKLOAD, OTHER):
        (found,) = await read(metrics, clock, workload_id=workload_id)
        assert found.pod_name.startswith(workload_id)


async def test_what_was_sampled_is_read_as_series(metrics, backend, clock):
    name = await begin(backend)
    began = clock.now()
    for slot in range(1, 5):
        clock.advance(15)
        use(backend, name, cpu_seconds=7.5 * slot, transferred=100 * slot, memory=1000 * slot)
        await metrics.sample()
    clock.advance(15)
    (found,) = await read(metrics, clock)
    assert found.pod_name == str(name)
    slots = [began + 15 * slot for slot in range(5)]
    assert found.series["cpu"] == tuple((at, 500.0) for at in slots[:4])
    assert found.series["memory"] == tuple((slots[n], 1000.0 * n) for n in range(1, 5))
    assert found.series["network_in"] == tuple((at, 100.0) for at in slots[:4])
    assert found.series["network_out"] == tuple((at, 200.0) for at in slots[:4])


async def test_what_cannot_be_measured_has_no_series(metrics, backend, clock):
    name = await begin(backend)
    backend.used[name] = PodUsage(name, clock.now(), 1.0, None, None, None)
    await metrics.sample()
    clock.advance(15)
    (found,) = await read(metrics, clock)
    assert set(found.series) == {"cpu"}


async def test_a_new_attempt_counts_for_itself(metrics, backend, clock):
    first = await begin(backend)
    clock.advance(15)
    use(backend, first, 10.0, 5000)
    await metrics.sample()
    backend.end(first, 1, EndReason.EXITED)
    second = await begin(backend, attempt=2)
    clock.advance(15)
    use(backend, second, 3.0, 40)
    await metrics.sample()
    clock.advance(15)
    one, two = await read(metrics, clock)
    assert (one.pod_name, two.pod_name) == (str(first), str(second))
    assert (total(one, "network_in"), total(two, "network_in")) == (5000, 40)
    assert total(two, "cpu") == pytest.approx(3.0 / 15 * 1000)


async def test_a_count_that_began_again_in_the_same_pod_is_not_taken_back(metrics, backend, clock):
    name = await begin(backend)
    for transferred in (5000, 40, 60):
        clock.advance(15)
        use(backend, name, 1.0, transferred)
        await metrics.sample()
    clock.advance(15)
    (found,) = await read(metrics, clock)
    assert total(found, "network_in") == 5060


async def test_samples_stay_when_their_pod_is_gone_until_they_are_old(metrics, backend, clock):
    name = await begin(backend)
    clock.advance(15)
    use(backend, name, 15.0, 5000)
    await metrics.sample()
    backend.end(name, 0)
    await backend.remove(name)
    clock.advance(FINE.keep / 2)
    await metrics.sample()
    (found,) = await read(metrics, clock, seconds=FINE.keep)
    assert total(found, "network_in") == 5000
    clock.advance(COARSE.keep)
    await metrics.sample()
    assert await read(metrics, clock, seconds=2 * COARSE.keep, step=3600) == []


async def test_two_samplers_keep_one_sample_of_each_slot(
    metrics, open_database, backend, clock, store
):
    name = await begin(backend)
    other = Metrics(open_database(), backend, clock)
    for slot in range(1, 4):
        clock.advance(15)
        use(backend, name, 7.5 * slot, 100 * slot)
        await asyncio.gather(metrics.sample(), other.sample())
    assert await rows(store) == (1 + 3) + (1 + 0)  # the beginning, three slots; one coarse slot
    clock.advance(15)
    (found,) = await read(metrics, clock)
    assert total(found, "network_in") == 300
    assert [value for _, value in found.series["cpu"]] == [500.0] * 3


async def test_a_backend_that_cannot_be_reached_is_asked_again_at_the_next_slot(
    metrics, backend, clock, store
):
    await begin(backend)

    def refuse(point):
        if point == "measure before":
            raise BackendError("The place of pods does not answer.")

    backend.fault = refuse
    sampler = asyncio.create_task(metrics.run())
    await until(lambda: clock.sleepers == 1)
    assert await rows(store) == 0
    backend.fault = lambda _point: None
    clock.advance(15)
    await until(lambda: clock.sleepers == 1)
    assert await rows(store) > 0
    sampler.cancel()
    await asyncio.gather(sampler, return_exceptions=True)


async def test_it_samples_at_the_beginning_of_every_slot(metrics, backend, clock):
    await begin(backend)
    clock.advance(FINE.step * 0.4)
    sampler = asyncio.create_task(metrics.run())
    await until(lambda: clock.sleepers == 1)
    clock.advance(FINE.step * 0.6)  # to the next slot, not a whole one further
    await until(lambda: [call for call, _ in backend.calls].count("measure") == 2)
    sampler.cancel()
    await asyncio.gather(sampler, return_exceptions=True)
