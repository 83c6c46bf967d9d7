"""The inbox: one handler an event type, each delivery in one transaction of the reader's own.

A handler is a plain function of (session, message). It only writes rows: it never publishes,
waits or calls out. There is no table of message ids: handlers compare generation and sequence in
their transaction, so an event that comes a second time changes nothing.
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


class Inbox:
    """Receives a service's events."""

    def __init__(
        self, service: ServiceName, database: Database, handlers: Mapping[str, Handler]
    ) -> None:
        """Check the handlers against the catalogue.

        Raises:
            ValueError: a type this service is listed to read has no handler, or the reverse.
        """
        listed = {name for name, event in CATALOG.items() if service in event.readers}
        if listed != set(handlers):
            wrong = ", ".join(sorted(listed ^ set(handlers)))
            raise ValueError(f"handlers of {service} and the catalogue disagree about: {wrong}")
        self._service = service
        self._database = database
        self._handlers = dict(handlers)

    def connect(self, bus: Bus) -> None:
        """Start to take this service's events from the bus."""
        for name in self._handlers:
            bus.subscribe(self._service, name, self.receive)

    async def receive(self, envelope: Envelope) -> None:
        """Handle one event and commit."""
        message = envelope.message()
        async with self._database.write() as session:
            await self._handlers[envelope.type](session, message)
