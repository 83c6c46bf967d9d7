"""A bus that remembers what was sent over it, and fails when a test says so."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar, cast

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import Message, ServiceName
from cassini.runtime.bus import Bus, Listener, Receiver

M = TypeVar("M", bound=Message)

Before = Callable[[str, Envelope], Awaitable[None]]


class ProbeBus:
    """Passes on to another bus, or to nobody; ``sent`` holds what was taken, in order.

    ``hints`` holds what was hinted.
    """

    def __init__(self, inner: Bus | None = None) -> None:
        self.sent: list[tuple[str, Envelope]] = []
        self.hints: list[Envelope] = []
        self.tries = 0
        self.before: Before | None = None
        """Called before each delivery with destination and event: may wait, look, or raise."""
        self.problem: str | None = None
        self.connected = asyncio.Event()
        """While a test has it cleared nothing can be sent; ``awaited`` counts who has asked."""
        self.connected.set()
        self.awaited = 0
        self._inner = inner
        self._failures: list[Exception] = []

    def fail(self, error: Exception, *, times: int = 1) -> None:
        """Refuse the next deliveries with this error."""
        self._failures += [error] * times

    def received(self, model: type[M]) -> list[M]:
        """Return the messages of one type that were taken, in order."""
        messages = (each.message() for _, each in self.sent if CATALOG[each.type].model is model)
        return [cast(M, message) for message in messages]

    def destinations(self, event_type: str) -> tuple[str, ...]:
        """Return every reader of the type, by name."""
        if self._inner is not None:
            return self._inner.destinations(event_type)
        return tuple(sorted(CATALOG[event_type].readers))

    async def send(self, destination: str, envelope: Envelope) -> None:
        """Deliver one event, unless it is to fail.

        Raises:
            Exception: what ``fail`` or ``before`` said, or the other bus's own.
        """
        self.tries += 1
        if self.before is not None:
            await self.before(destination, envelope)
        if self._failures:
            raise self._failures.pop(0)
        if self._inner is not None:
            await self._inner.send(destination, envelope)
        self.sent.append((destination, envelope))

    def subscribe(self, service: ServiceName, event_type: str, receiver: Receiver) -> None:
        """Give the receiver to the other bus; without one nobody receives."""
        if self._inner is not None:
            self._inner.subscribe(service, event_type, receiver)

    def hint(self, envelope: Envelope) -> None:
        """Remember a hint and pass it on."""
        self.hints.append(envelope)
        if self._inner is not None:
            self._inner.hint(envelope)

    def listen(self, service: ServiceName, event_type: str, listener: Listener) -> None:
        """Give the listener to the other bus; without one nobody listens."""
        if self._inner is not None:
            self._inner.listen(service, event_type, listener)

    def when_lost(self, call: Callable[[Collection[str]], None]) -> None:
        """Let the other bus know whom to tell."""
        if self._inner is not None:
            self._inner.when_lost(call)

    async def open(self) -> None:
        """Open the other bus."""
        if self._inner is not None:
            await self._inner.open()

    async def until_open(self) -> None:
        """Wait until it is connected, and the other bus."""
        self.awaited += 1
        await self.connected.wait()
        if self._inner is not None:
            await self._inner.until_open()

    async def stop_taking(self) -> None:
        """Let the other bus take no more."""
        if self._inner is not None:
            await self._inner.stop_taking()

    async def close(self) -> None:
        """Close the other bus."""
        if self._inner is not None:
            await self._inner.close()

    async def depths(self) -> Mapping[str, int]:
        """Return the other bus's."""
        return {} if self._inner is None else await self._inner.depths()

    async def absent_readers(self, event_types: Collection[str]) -> Collection[ServiceName]:
        """Return the other bus's."""
        return () if self._inner is None else await self._inner.absent_readers(event_types)

    def health(self) -> str | None:
        """Say what ``problem`` says, else what the other bus says."""
        if self.problem is not None or self._inner is None:
            return self.problem
        return self._inner.health()
