"""The bus of the embedded form: the relay calls each reader's receiver itself.

Nothing is held in memory: an event that a reader could not take stays a delivery row of its
sender, so this bus loses nothing when the process is killed. What a relay sends at once goes to a
reader at once, for the reader to commit together.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import Listener, Outcomes, Receiver
from cassini.runtime.errors import BackendError

_log = structlog.get_logger(__name__)


class MemoryBus:
    """Delivers in process."""

    def __init__(self) -> None:
        self._receivers: dict[tuple[str, str], Receiver] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._sending: dict[tuple[str, str], list[Envelope]] = {}
        self._deliveries: dict[tuple[str, str], asyncio.Task[Outcomes]] = {}

    def destinations(self, event_type: str) -> tuple[str, ...]:
        """Return every reader of the type, by name."""
        return tuple(sorted(CATALOG[event_type].readers))

    async def send(self, destination: str, envelope: Envelope) -> None:
        """Let the reader handle the event; returns when it has committed.

        Raises:
            BackendError: the reader is not there (not started yet, or stopping).
        """
        receiver = self._receivers.get((destination, envelope.type))
        if receiver is None:
            raise BackendError(f"{destination} does not take {envelope.type} now")
        outcome = await self._deliver(receiver, (destination, envelope.type), envelope)
        if outcome is not None:
            raise outcome

    async def _deliver(
        self, receiver: Receiver, key: tuple[str, str], envelope: Envelope
    ) -> Exception | None:
        """Let the first of those who send now deliver for all of them."""
        together = self._sending.setdefault(key, [])
        place = len(together)
        together.append(envelope)
        if place == 0:
            delivery = asyncio.create_task(self._deliver_all(receiver, key))
            self._deliveries[key] = delivery
        outcomes = await asyncio.shield(self._deliveries[key])
        return outcomes[place]

    async def _deliver_all(self, receiver: Receiver, key: tuple[str, str]) -> Outcomes:
        await asyncio.sleep(0)  # those that are sent in the same breath come along
        return await receiver(self._sending.pop(key))

    def subscribe(self, service: ServiceName, event_type: str, receiver: Receiver) -> None:
        """Take the receiver of one service for one event type.

        Raises:
            ValueError: the catalogue does not list this reader, or it has a receiver already.
        """
        if service not in CATALOG[event_type].readers:
            raise ValueError(f"the catalogue does not list {service} as a reader of {event_type}")
        if (service, event_type) in self._receivers:
            raise ValueError(f"{service} has a receiver for {event_type} already")
        self._receivers[service, event_type] = receiver

    def hint(self, envelope: Envelope) -> None:
        """Tell every listener of the type now; one that fails only costs itself the hint."""
        for listener in self._listeners.get(envelope.type, ()):
            try:
                listener(envelope)
            except Exception:  # noqa: BLE001 - whoever changed something is not to fail for it
                _log.exception("a hint was not heard", type=envelope.type)

    def listen(self, service: ServiceName, event_type: str, listener: Listener) -> None:
        """Add a listener of one event type.

        Raises:
            ValueError: the catalogue does not list this listener.
        """
        if service not in CATALOG[event_type].listeners:
            raise ValueError(f"the catalogue does not list {service} as a listener of {event_type}")
        self._listeners.setdefault(event_type, []).append(listener)

    def when_lost(self, call: Callable[[Collection[str]], None]) -> None:
        """Do nothing: events are rows until they are handled."""

    async def open(self) -> None:
        """Do nothing: what carries the events is the relay itself."""

    async def until_open(self) -> None:
        """Return at once: nothing is between sender and reader."""

    async def stop_taking(self) -> None:
        """Do nothing: a relay that has stopped has waited for what it was sending."""

    async def close(self) -> None:
        """Do nothing."""

    async def depths(self) -> Mapping[str, int]:
        """Return nothing: nothing waits here."""
        return {}

    async def absent_readers(self, event_types: Collection[str]) -> Collection[ServiceName]:
        """Return the readers that have not subscribed."""
        wanted = {(reader, name) for name in event_types for reader in CATALOG[name].readers}
        return {ServiceName(reader) for reader, name in wanted - self._receivers.keys()}

    def health(self) -> str | None:
        """Return None: it cannot be away."""
        return None
