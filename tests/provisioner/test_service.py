from importlib import import_module

import pytest

from cassini.contracts.credentials import LeaseDeclaredV1
from cassini.contracts.resources import ServiceName
from cassini.contracts.workloads import BackendObservedV1, WorkloadObservedV1, WorkloadStatus
from cassini.runtime import reconcile
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.database import Database
from cassini.runtime.errors import BackendError
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground, stop_all
from cassini.testing.clock import FakeClock
from cassini.testing.databases import sqlite_url
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from services.provisioner.plan import PodName
from services.provisioner.service import ProvisionerService
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD, make_spec, make_wish

POD = PodName(WORKLOAD, 1, 0, 1)

import_module("alembic.command")  # the first start would load it on the event loop, for 0.3 s


class Embedded:
    """The service as a form starts it, alone on an in-process bus."""

    def __init__(self, directory) -> None:
        self.clock = FakeClock()
        self.backend = ScriptedBackend(self.clock)
        self._directory = directory

    async def start(self) -> None:
        memory = MemoryBus()
        self.bus = ProbeBus(memory)
        keys = KeyRing(self._directory / "keys")
        ground = Ground(
            Database(sqlite_url(self._directory)),
            self.bus,
            self.clock,
            keys.sealer(),
            keys.opener(ServiceName.PROVISIONER),
            exclusive=True,
        )
        for reader, name in (
            (ServiceName.API, "workload.observed.v1"),
            (ServiceName.API, "backend.observed.v1"),
            (ServiceName.SECRETS, "lease.declared.v1"),
        ):
            memory.subscribe(reader, name, ignore)
        self.service = ProvisionerService(ground, self.backend)
        await self.service.start()

    async def stop(self) -> None:
        await stop_all([self.service])

    async def declare(self, wish) -> None:
        async with self.service.database.write() as session:
            await self.service.handlers["workload.declared.v1"](session, wish)

    def backends(self) -> list[BackendObservedV1]:
        return self.bus.received(BackendObservedV1)

    def workload(self) -> WorkloadObservedV1 | None:
        facts = self.bus.received(WorkloadObservedV1)
        return max(facts, key=lambda fact: (fact.generation, fact.sequence), default=None)

    def measured(self) -> int:
        return [call for call, _ in self.backend.calls].count("measure")

    def has(self, status) -> bool:
        return (fact := self.workload()) is not None and fact.status == status


async def ignore(envelopes) -> list[None]:
    """Take events and do nothing."""
    return [None] * len(envelopes)


@pytest.fixture
async def embedded(tmp_path):
    form = Embedded(tmp_path)
    await form.start()
    yield form
    await form.stop()


def plain_wish(**changes):
    return make_wish(spec=make_spec(secrets=()), **changes)


async def pass_time(embedded, fact) -> None:
    """Move the clock on until something is so."""

    def look():
        embedded.clock.advance(1)
        return fact()

    await until(look)


async def test_a_wish_comes_to_run(embedded):
    await embedded.declare(plain_wish())
    await until(lambda: embedded.has(WorkloadStatus.RUNNING) or embedded.backend.live())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    assert embedded.backend.created == [POD]


async def test_a_hint_of_the_backend_is_followed_without_waiting(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    embedded.backend.end(POD, 0)
    await until(lambda: embedded.has(WorkloadStatus.COMPLETED))


async def test_the_backend_is_told_of_at_start_and_on_change(embedded):
    (first, *_) = await until(embedded.backends)
    assert (first.kind, first.reachable, first.cores) == ("scripted", True, 2.0)
    embedded.backend.description = type(embedded.backend.description)("scripted", 4.0, 1, "none")
    await pass_time(embedded, lambda: embedded.backends()[-1].cores == 4.0)
    assert {fact.id for fact in embedded.backends()} == {first.id}


async def test_the_backend_is_told_of_again_every_few_minutes(embedded):
    await until(embedded.backends)
    await until(lambda: embedded.clock.sleepers >= 3)
    count = len(embedded.backends())

    def told_again() -> bool:
        embedded.clock.advance(301)  # again: the loop may not have come to its wait before
        return len(embedded.backends()) > count

    await until(told_again)


async def test_a_backend_that_cannot_be_reached_is_told_and_makes_the_service_not_ready(embedded):
    await until(embedded.backends)
    await pass_time(embedded, lambda: embedded.backends()[-1].reachable)

    def refuse(_point):
        raise BackendError("The place of pods does not answer.")

    embedded.backend.fault = refuse
    await pass_time(embedded, lambda: not embedded.backends()[-1].reachable)
    fact, health = embedded.backends()[-1], await embedded.service.health()
    assert (fact.reason, fact.message) == (
        "BackendUnreachable",
        "The place of pods does not answer.",
    )
    assert (fact.kind, fact.cores) == ("scripted", 2.0)
    assert not health.ready
    embedded.backend.fault = lambda _point: None
    await pass_time(embedded, lambda: embedded.backends()[-1].reachable)


async def test_workloads_go_on_as_soon_as_the_backend_is_back(embedded, monkeypatch):
    monkeypatch.setattr(reconcile, "backoff", lambda _tries: 1e6)

    def refuse(_point):
        raise BackendError("The place of pods does not answer.")

    await pass_time(embedded, lambda: embedded.backends() and embedded.backends()[-1].reachable)
    embedded.backend.fault = refuse
    await embedded.declare(plain_wish())
    await until(lambda: embedded.workload() and embedded.workload().reason == "BackendUnreachable")
    await pass_time(embedded, lambda: not embedded.backends()[-1].reachable)

    embedded.backend.fault = lambda _point: None

    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))


async def test_it_is_ready_when_the_backend_answered(embedded):
    await until(embedded.backends)
    health = await embedded.service.health()
    assert (health.ready, health.reason) == (True, None)


async def test_the_backends_id_stays_over_a_restart(embedded):
    (first, *_) = await until(embedded.backends)
    await embedded.stop()
    await embedded.start()
    (second, *_) = await until(embedded.backends)
    assert second.id == first.id
    assert second.sequence > first.sequence


async def test_pods_go_on_over_a_stop_and_are_adopted_after_it(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    await embedded.stop()
    assert embedded.backend.live() == [POD]
    await embedded.start()
    embedded.backend.end(POD, 0)
    await until(lambda: embedded.has(WorkloadStatus.COMPLETED))
    assert embedded.backend.created == [POD]


async def test_what_was_under_way_is_looked_at_at_start_without_waiting(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    await embedded.stop()
    embedded.backend.pods.clear()
    await embedded.start()
    await until(lambda: embedded.backend.live() == [PodName(WORKLOAD, 1, 0, 2)])


async def test_logs_are_read_from_the_backend_and_outlive_the_pod(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    live = await embedded.service.pod_logs(str(POD), previous=False, lines=3)
    await embedded.declare(plain_wish(generation=2, wanted="stopped"))
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.STOPPED))
    page = await embedded.service.pod_log_page(str(POD), first=0, lines=3)
    assert [line.text for line in live] == [f"{POD} begins"]
    assert page.lines == tuple(live)


async def test_logs_that_are_too_old_are_forgotten(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    await embedded.declare(plain_wish(generation=2, wanted="stopped"))
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.STOPPED))
    embedded.clock.advance(31 * 86400)

    async def forgotten():
        return not await embedded.service.pod_logs(str(POD), previous=False, lines=3)

    await until(forgotten)


async def test_what_pods_use_is_sampled_and_read(embedded):
    await embedded.declare(plain_wish())
    await pass_time(embedded, lambda: embedded.has(WorkloadStatus.RUNNING))
    before = embedded.measured()
    await pass_time(embedded, lambda: embedded.measured() >= before + 3)
    now = embedded.clock.now()
    (found,) = await embedded.service.metrics(WORKLOAD, start=now - 3600, end=now, step=15)
    assert found.pod_name == str(POD)
    assert set(found.series) == {"cpu", "memory", "network_in", "network_out"}


async def test_leases_leave_for_the_secrets_service(embedded):
    await embedded.declare(make_wish())
    assert await until(lambda: embedded.bus.received(LeaseDeclaredV1))
