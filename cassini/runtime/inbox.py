"""The inbox: one handler an event type, deliveries in transactions of the reader's own.

Events that come together are handled in one transaction, since a commit costs more than a
handler; in the order of their ids, so that two replicas lock rows in the same order, and those of
one id as they came. When one of them fails, each gets a transaction of its own.

A handler is a plain function of (session, message). It only writes rows: it never publishes,
waits or calls out. There is no table of message ids: handlers compare generation and sequence in
their transaction, so an event that comes a second time changes nothing.

Hints go to listeners, plain functions of the message that only wake somebody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import Bus, Outcomes, handled_event, handled_together
from cassini.runtime.database import Database
from cassini.runtime.deliveries import is_outside

_log = structlog.get_logger(__name__)

Handler = Callable[[AsyncSession, Any], Awaitable[None]]
Listen = Callable[[Any], None]


class Inbox:
    """Receives a service's events."""

    def __init__(
        self,
        service: ServiceName,
        database: Database,
        handlers: Mapping[str, Handler],
        listeners: Mapping[str, Listen] | None = None,
    ) -> None:
        """Check the handlers and listeners against the catalogue.

        Raises:
            ValueError: a type this service is listed to read has no handler, or the reverse.
        """
        self._service = service
        self._database = database
        self._handlers = dict(handlers)
        self._listeners = dict(listeners or {})
        self._together = asyncio.Lock()  # two transactions of many rows could block each other
        events = CATALOG.items()
        read = {name for name, event in events if service in event.readers}
        heard = {name for name, event in events if service in event.listeners}
        if wrong := (read ^ self._handlers.keys()) | (heard ^ self._listeners.keys()):
            names = ", ".join(sorted(wrong))
            raise ValueError(f"handlers of {service} and the catalogue disagree about: {names}")

    def connect(self, bus: Bus) -> None:
        """Start to take this service's events from the bus."""
        for name in self._handlers:
            bus.subscribe(self._service, name, self.receive)
        for name in self._listeners:
            bus.listen(self._service, name, self.hear)

    async def receive(self, envelopes: Sequence[Envelope]) -> Outcomes:
        """Handle events and commit; returns what became of each, None where all is well."""
        if len(envelopes) > 1:
            try:
                async with self._together:
                    await self._handle(sorted(envelopes, key=lambda each: each.subject))
            except Exception as error:  # noqa: BLE001 - which of them it was shows alone
                _log.info("events that came together are handled singly", error=str(error))
            else:
                return [None] * len(envelopes)
        outcomes: list[Exception | None] = []
        outage: Exception | None = None
        for envelope in envelopes:
            outcome = outage or await self._try(envelope)
            if outcome is not None and is_outside(outcome):
                outage = outcome
            outcomes.append(outcome)
        return outcomes

    async def _try(self, envelope: Envelope) -> Exception | None:
        try:
            await self._handle([envelope])
        except Exception as error:  # noqa: BLE001 - whatever it is, the bus decides what follows
            return error
        return None

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        async with self._database.write() as session:
            of_one_type = len({each.type for each in envelopes}) == 1
            together = handled_together.set(
                frozenset(each.subject for each in envelopes if of_one_type)
            )
            try:
                for envelope in envelopes:
                    token = handled_event.set(envelope)
                    try:
                        await self._handlers[envelope.type](session, envelope.message())
                    finally:
                        handled_event.reset(token)
            finally:
                handled_together.reset(together)

    def hear(self, envelope: Envelope) -> None:
        """Pass a hint on."""
        self._listeners[envelope.type](envelope.message())
