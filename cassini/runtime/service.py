"""A service: one database, one outbox, its handlers, its reconcilers; starts, answers, stops.

A form (embedded or distributed) gives it a ``Ground`` to stand on. Start: migrate, open what the
service uses, clear claims, take events, then run the loops. Stop goes the other way in three
calls, so that a form with several services can stop all relays first: ``stop_relay`` (what is not
sent stays a row), ``stop_work`` (deliveries, then steps under way end), ``close``. A loop that
fails is started again with back-off and makes the service not ready meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import MetaData, text

from cassini.contracts.catalog import CATALOG
from cassini.contracts.protocol import OBSERVE_AGAIN_SECONDS
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import Bus
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.declarations import Declarations, declaration_table
from cassini.runtime.deliveries import backoff, is_outside, outage_backoff
from cassini.runtime.inbox import Handler, Inbox, Listen
from cassini.runtime.instruments import Instruments
from cassini.runtime.migrations import require_current, upgrade
from cassini.runtime.outbox import Outbox, outbox_table
from cassini.runtime.ownership import OwnedRow, Ownership
from cassini.runtime.reconcile import Failed, Reconciler, Step
from cassini.runtime.relay import Relay
from cassini.runtime.scrape import Look, Measured, ServiceLooks, Value, first_values
from cassini.runtime.sealing import Opener, Sealer

_RESEND_SECONDS = 5.0
_HEALTH_SECONDS = 1.5
_STEADY_SECONDS = 60.0
"""A loop that ran for so long before it failed is started again soon."""

R = TypeVar("R", bound=OwnedRow)

Loop = Callable[[], Awaitable[None]]


class ServiceTables:
    """The tables of the plumbing in a service's own metadata."""

    def __init__(self, metadata: MetaData, versions: Path) -> None:
        self.metadata = metadata
        self.versions = versions
        self.outbox = outbox_table(metadata)
        self.declaration = declaration_table(metadata)


@dataclass(frozen=True)
class Ground:
    """What a form gives a service to stand on."""

    database: Database
    bus: Bus
    clock: Clock
    sealer: Sealer
    opener: Opener
    exclusive: bool
    """Whether this process alone works on the database (embedded).

    Then old claims are void, and it brings the tables up to date itself.
    """
    otlp_endpoint: str | None = None
    """Where traces are sent; None: nowhere."""


@dataclass(frozen=True)
class Health:
    """Whether a service can do its work now, and if not, why."""

    ready: bool
    reason: str | None = None


class Service:
    """Base of the five services.

    A subclass sets ``handlers``, ``listeners``, ``owned``, ``loops`` and ``looks``.
    """

    def __init__(self, name: ServiceName, tables: ServiceTables, ground: Ground) -> None:
        self.name = name
        self.ground = ground
        self.database = ground.database
        self.clock = ground.clock
        self.instruments = Instruments(name, ground.otlp_endpoint)
        self.outbox = Outbox(tables.outbox, service=name, bus=ground.bus, clock=ground.clock)
        self.declarations = Declarations(tables.declaration, self.outbox, ground.clock)
        self.relay = Relay(ground.database, self.outbox, ground.bus, ground.clock)
        self.handlers: Mapping[str, Handler] = {}
        self.listeners: Mapping[str, Listen] = {}
        self.owned: Sequence[tuple[Ownership[Any], Reconciler[Any]]] = ()
        self.loops: Mapping[str, Loop] = {}
        self.looks: Mapping[str, Look] = {}
        self._lost: set[str] = set()
        self._tables = tables
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: dict[str, str] = {}
        self._log = structlog.get_logger(__name__).bind(service=str(name))

    def own(
        self, ownership: Ownership[R], step: Step[R], failed: Failed[R], *, workers: int = 8
    ) -> tuple[Ownership[R], Reconciler[R]]:
        """Pair what is owned with a reconciler on this service's database."""
        return ownership, Reconciler(
            self.database,
            ownership,
            step=step,
            failed=failed,
            clock=self.clock,
            workers=workers,
        )

    async def start(self) -> None:
        """Bring the service up; when this returns it takes events and works."""
        await self.prepare()
        self.run()

    async def prepare(self) -> None:
        """Migrate, open, and take events from now on; nothing is sent or worked on yet.

        Raises:
            BackendError: what the service needs is not there yet; another try may work.
        """
        if self.ground.exclusive:
            await upgrade(self.database, self._tables.versions, self._tables.metadata)
        else:
            await require_current(self.database, self._tables.versions)
        await self.open()
        if self.ground.exclusive:
            for _, reconciler in self.owned:
                await reconciler.clear_claims()
        handlers = {
            name: self.instruments.handler(handler) for name, handler in self.handlers.items()
        }
        inbox = Inbox(self.name, self.database, handlers, self.listeners)
        inbox.connect(self.ground.bus)
        self.ground.bus.when_lost(self._lost.update)
        await self.ground.bus.open()

    def run(self) -> None:
        """Start the loops."""
        loops: dict[str, Loop] = {"relay": self.relay.run, "resend": self._resend, **self.loops}
        for number, (_, reconciler) in enumerate(self.owned):
            loops[f"reconcile-{number}"] = reconciler.run
        if self.owned:
            loops["observe-again"] = self._observe_again
        for name, loop in loops.items():
            self._tasks[name] = asyncio.create_task(self._supervise(name, loop), name=name)

    async def open(self) -> None:
        """Open what the service uses beside its database; nothing here by default."""

    async def stop_relay(self) -> None:
        """Stop sending; what is not sent stays in the outbox."""
        await self._cancel("relay", "resend", "observe-again")
        await self.relay.finish()

    async def stop_work(self) -> None:
        """Take no more events, then stop working; what is under way comes to its end."""
        await self.ground.bus.stop_taking()
        await self._cancel(*self._tasks)

    def end_streams(self) -> None:
        """End what would answer a request for ever; nothing here by default."""

    async def close(self) -> None:
        """Close what ``open`` opened, the bus and the database."""
        await self.ground.bus.close()
        await self.database.close()
        await asyncio.to_thread(self.instruments.tracer.close)

    async def health(self) -> Health:
        """Say whether the service can do its work now."""
        if self._failing:
            name, reason = next(iter(self._failing.items()))
            return Health(ready=False, reason=f"{self.name}: {name} fails: {reason}")
        if not self._tasks:
            return Health(ready=False, reason=f"{self.name} is not started")
        if (problem := self.ground.bus.health()) is not None:
            return Health(ready=False, reason=f"{self.name}: {problem}")
        try:
            async with asyncio.timeout(5), self.database.read() as session:
                await session.execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return Health(ready=False, reason=f"{self.name}: the database does not answer: {error}")
        return Health(ready=True)

    def measured(self) -> Measured:
        """Return what is told of this service to Prometheus."""
        found = ServiceLooks(self.database, self.clock)
        looks: dict[str, Look] = {
            "health": self._look_at_health,
            "outbox": found.outbox(self._tables.outbox),
            "broker": found.broker(self.ground.bus),
            **{owned.noun: found.due(owned) for owned, _ in self.owned},
            **self.looks,
        }
        return Measured(self.instruments.metrics, looks)

    async def join(self) -> bool:
        """Let all that is due now be sent and worked on; returns whether there was anything."""
        busy = False
        while True:
            for owned, _ in self.owned:
                await owned.queue.join()
            if not await self.relay.send_due():
                return busy
            busy = True

    async def _look_at_health(self) -> list[Value]:
        """Look what costs no query worth the name, so that it is told when the database is away."""
        ready = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEALTH_SECONDS):
                ready = (await self.health()).ready
        waiting = [
            Value("cassini_workqueue_waiting", owned.queue.waiting(), (owned.noun,))
            for owned, _ in self.owned
        ]
        return [*first_values(ready=ready), *waiting]

    async def _resend(self) -> None:
        while True:
            for name in tuple(self._lost):
                await self.declarations.ask_again(self.database, CATALOG[name].noun)
                self._lost.discard(name)
            wait = await self.declarations.emit_due(self.database)
            await self.clock.sleep(_RESEND_SECONDS if wait is None else min(wait, _RESEND_SECONDS))

    async def _observe_again(self) -> None:
        """Say again what is seen; at first with new numbers, for this may be an older copy."""
        renumber = True
        while True:
            for owned, _ in self.owned:
                await owned.observe_again(self.database, renumber=renumber)
            renumber = False
            await self.clock.sleep(OBSERVE_AGAIN_SECONDS)

    async def _supervise(self, name: str, loop: Loop) -> None:
        with self.instruments.active():
            await self._run_again_and_again(name, loop)

    async def _run_again_and_again(self, name: str, loop: Loop) -> None:
        tries = 0
        while True:
            began, wait = self.clock.now(), backoff
            try:
                await loop()
            except Exception as error:  # noqa: BLE001 - a loop never ends of itself
                wait = outage_backoff if is_outside(error) else backoff
                self._failing[name] = str(error)
                self.instruments.metrics.count("cassini_loop_restarts_total", name)
                self._log.exception("a loop failed and is started again", loop=name)
            tries = 1 if self.clock.now() - began > _STEADY_SECONDS else tries + 1
            await self.clock.sleep(wait(tries))
            self._failing.pop(name, None)

    async def _cancel(self, *names: str) -> None:
        tasks = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stop_all(
    services: Sequence[Service], *, at_rest: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Stop several services of one process: all relays first, databases last.

    ``at_rest`` is called when nothing works any more and everything is still open.
    """
    for service in services:
        await service.stop_relay()
    for service in services:
        await service.stop_work()
    if at_rest is not None:
        await at_rest()
    for service in services:
        await service.close()
