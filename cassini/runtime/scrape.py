"""What Prometheus is answered: counters as they stand, and values looked up at this moment.

A look is one cheap query, or none. All looks run at once, each for 2 seconds at most; one that
fails is counted and its values are left out, the rest is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Table, func, select
from sqlmodel import col

from cassini import __version__
from cassini.runtime.bus import Bus
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.metrics import METRICS, ServiceMetrics
from cassini.runtime.outbox import DEAD, PENDING
from cassini.runtime.ownership import Ownership

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_LOOK_SECONDS = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Value:
    """One value of a gauge; the labels in the order of the table."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


Look = Callable[[], Awaitable[Iterable[Value]]]


@dataclass(frozen=True)
class Measured:
    """What is told of one service: what it counted, and what is looked up."""

    metrics: ServiceMetrics
    looks: Mapping[str, Look]


async def scrape(measured: Sequence[Measured]) -> bytes:
    """Return the exposition, in the text format, of services of this process."""
    found = await asyncio.gather(*(_look_up(each) for each in measured))
    return generate_latest(_Together(measured, found))


def first_values(*, ready: bool) -> list[Value]:
    """Return what is told of a service even before it is up."""
    return [Value("cassini_build_info", 1, (__version__,)), Value("cassini_ready", int(ready))]


class ServiceLooks:
    """The looks that every service has."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def outbox(self, table: Table) -> Look:
        """Look how far the outbox is behind."""
        pending = table.c.state == PENDING
        oldest = select(table.c.envelope["time"].as_string()).where(pending)
        query = select(
            func.count().filter(pending),
            func.count().filter(table.c.state == DEAD),
            oldest.order_by(table.c.position).limit(1).scalar_subquery(),
        ).select_from(table)

        async def look() -> list[Value]:
            async with self._database.read() as session:
                waiting, dead, since = (await session.execute(query)).one()
            at = None if since is None else datetime.fromisoformat(since).timestamp()
            return [
                Value("cassini_outbox_pending", waiting),
                Value("cassini_outbox_dead_letters", dead),
                Value("cassini_outbox_oldest_seconds", self._age(at)),
            ]

        return look

    def due(self, owned: Ownership[Any]) -> Look:
        """Look since when rows of a noun have been due; a step under way counts."""
        due_at = col(owned.model.due_at)

        async def look() -> list[Value]:
            query = select(func.min(due_at)).where(due_at <= self._clock.now())
            async with self._database.read() as session:
                at = (await session.execute(query)).scalar()
            return [Value("cassini_due_oldest_seconds", self._age(at), (owned.noun,))]

        return look

    def broker(self, bus: Bus) -> Look:
        """Look what waits at the broker."""

        async def look() -> list[Value]:
            depths = await bus.depths()
            name = "cassini_broker_queue_messages"
            return [Value(name, count, (queue,)) for queue, count in depths.items()]

        return look

    def _age(self, at: float | None) -> float:
        return 0.0 if at is None else max(self._clock.now() - at, 0.0)


async def _look_up(measured: Measured) -> list[Value]:
    looks = measured.looks.items()
    found = await asyncio.gather(*(_look(measured, name, look) for name, look in looks))
    return [value for values in found for value in values]


async def _look(measured: Measured, name: str, look: Look) -> Iterable[Value]:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            return await look()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other values are told
        _log.warning("a value cannot be looked up for metrics", source=name, error=str(error))
        measured.metrics.count("cassini_scrape_errors_total", name)
        return ()


class _Together(Collector):
    """The families of several services, each once; those without a value are left out."""

    def __init__(self, measured: Sequence[Measured], found: Sequence[Iterable[Value]]) -> None:
        self._measured = measured
        self._found = found

    def collect(self) -> Iterator[Family]:
        """Return what is told, in the order of the table."""
        families = {
            metric.name.removesuffix("_total"): Family(
                metric.name.removesuffix("_total"), metric.meaning, metric.kind
            )
            for metric in METRICS.values()
        }
        for each, values in zip(self._measured, self._found, strict=True):
            for counted in each.metrics.registry.collect():
                families[counted.name].samples += counted.samples
            for value in values:
                names = ("service", *METRICS[value.name].labels)
                labels = dict(zip(names, (each.metrics.service, *value.labels), strict=True))
                families[value.name].add_sample(value.name, labels, value.value)
        return (family for family in families.values() if family.samples)
