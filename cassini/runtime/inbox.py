"""The inbox: one handler an event type, each delivery in one transaction of the reader's own.

A handler is a plain function of (session, message). It only writes rows: it never publishes,
waits or calls out. There is no table of message ids: handlers compare generation and sequence in
their transaction, so an event that comes a second time changes nothing.

Hints go to listeners, plain functions of the message that only wake somebody.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import Bus
from cassini.runtime.database import Database

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

    async def receive(self, envelope: Envelope) -> None:
        """Handle one event and commit."""
        message = envelope.message()
        async with self._database.write() as session:
            await self._handlers[envelope.type](session, message)

    def hear(self, envelope: Envelope) -> None:
        """Pass a hint on."""
        self._listeners[envelope.type](envelope.message())
