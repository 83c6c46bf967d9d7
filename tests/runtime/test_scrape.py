"""What Prometheus is told, read by its own parser."""

import asyncio
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.errors import BackendError, GiveUp
from cassini.runtime.metrics import METRICS, ServiceMetrics
from cassini.runtime.outbox import DEAD
from cassini.runtime.reconcile import ClaimLost
from cassini.runtime.scrape import Measured, Value, scrape
from cassini.runtime.service import Ground, stop_all
from cassini.testing.waiting import until
from tests.runtime.owner import Builder
from tests.runtime.things import OTHER_ID, OUTBOX, wish


@pytest.fixture
async def builder(stage, database, clock, monkeypatch):
    async def no_upgrade(*_arguments):
        pass

    monkeypatch.setattr("cassini.runtime.service.upgrade", no_upgrade)
    service = Builder(Ground(database, MemoryBus(), clock, None, None, exclusive=True))
    yield service
    await stop_all([service])


def parsed(text):
    """Return the values by name and labels; the labels without the service."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "service"}
            found[(sample.name, *labels.values())] = sample.value
    return found


async def values(service):
    return parsed(await scrape([service.measured()]))


async def declare(builder, message):
    event = envelop(message, event_id="e" * 32, source=ServiceName.API, time=datetime.now(UTC))
    await builder.ground.bus.send("builder", event)


async def test_the_outbox_s_lag_and_dead_letters_are_told(builder, stage, clock):
    await stage.emit(wish(1), wish(2, resource_id=OTHER_ID))
    clock.advance(30)
    await stage.emit(wish(3))
    async with builder.database.write() as session:
        await session.execute(update(OUTBOX).where(OUTBOX.c.subject == OTHER_ID).values(state=DEAD))
    found = await values(builder)
    assert found["cassini_outbox_pending",] == 2
    assert found["cassini_outbox_dead_letters",] == 1
    assert found["cassini_outbox_oldest_seconds",] == pytest.approx(30)


async def test_an_empty_outbox_lags_by_nothing(builder):
    found = await values(builder)
    assert (found["cassini_outbox_pending",], found["cassini_outbox_oldest_seconds",]) == (0, 0)


async def test_how_long_a_row_has_been_due_is_told(builder, stage, clock):
    assert (await values(builder))["cassini_due_oldest_seconds", "image"] == 0
    await stage.accept(wish(1))
    clock.advance(7)
    await stage.accept(wish(1, resource_id=OTHER_ID))
    assert (await values(builder))["cassini_due_oldest_seconds", "image"] == pytest.approx(7)


async def test_handlers_steps_and_sends_are_measured(builder):
    await builder.start()

    async def take(envelopes):
        return [None] * len(envelopes)

    builder.ground.bus.subscribe(ServiceName.API, "image.observed.v1", take)
    await declare(builder, wish(1))
    with pytest.raises(ValueError, match="refused"):
        await declare(builder, wish(1, resource_id=OTHER_ID, what="refused"))
    await until(lambda: is_told(builder, ("cassini_relay_sends_total", "taken")))
    await builder.images.queue.join()
    found = await values(builder)
    handled = "cassini_handler_seconds_count", "image.declared.v1"
    assert (found[*handled, "done"], found[*handled, "failed"]) == (1, 1)
    assert found["cassini_step_seconds_count", "image", "settled"] == len(builder.steps)
    assert found["cassini_ready",] == 1
    assert found["cassini_workqueue_waiting", "image"] == 0


async def is_told(service, key):
    return (await values(service)).get(key)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BackendError("away"), "failed"),
        (GiveUp("never", reason="Never"), "given_up"),
        (ClaimLost(), "claim_lost"),
    ],
)
async def test_how_a_step_ended_is_told(builder, error, outcome):
    await builder.start()
    builder.error = error
    await declare(builder, wish(1))
    await until(lambda: is_told(builder, ("cassini_step_seconds_count", "image", outcome)))
    lost = (await values(builder)).get(("cassini_claims_lost_total", "image"), 0)
    assert lost == (outcome == "claim_lost")


async def test_a_database_that_is_away_costs_only_its_values(builder, stage, monkeypatch):
    class Away:
        async def __aenter__(self):
            raise OSError("away")

        async def __aexit__(self, *_error):
            pass

    monkeypatch.setattr(builder.database, "read", Away)
    await values(builder)
    found = await values(builder)
    assert found["cassini_ready",] == 0
    assert found["cassini_scrape_errors_total", "outbox"] >= 1
    assert found["cassini_scrape_errors_total", "image"] >= 1
    assert ("cassini_outbox_pending",) not in found


async def test_a_look_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr("cassini.runtime.scrape._LOOK_SECONDS", 0.01)

    async def stuck():
        await asyncio.Event().wait()

    async def quick():
        return [Value("cassini_ready", 1)]

    metrics = ServiceMetrics(ServiceName.API)
    looks = {"stuck": stuck, "quick": quick}
    await scrape([Measured(metrics, looks)])
    found = parsed(await scrape([Measured(metrics, looks)]))
    assert found["cassini_ready",] == 1
    assert found["cassini_scrape_errors_total", "stuck"] >= 1


async def test_services_of_one_process_share_no_counter():
    one, two = ServiceMetrics(ServiceName.API), ServiceMetrics(ServiceName.SECRETS)
    one.count("cassini_relay_sends_total", "taken")
    two.count("cassini_relay_sends_total", "taken")
    two.count("cassini_relay_sends_total", "taken")
    text = await scrape([Measured(one, {}), Measured(two, {})])
    (family,) = text_string_to_metric_families(text.decode())
    sent = {sample.labels["service"]: sample.value for sample in family.samples}
    assert sent == {"api": 1, "secrets": 2}


def test_every_name_follows_the_rules_of_prometheus():
    for metric in METRICS.values():
        assert metric.name.startswith("cassini_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert not {"id", "resource_id", "path", "user"} & set(metric.labels)
