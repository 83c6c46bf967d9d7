"""The bus: a door for events, with one implementation a form.

The relay (``outbox.py``) is the only caller of ``send``. A destination is whom one delivery row
stands for: in process each reader is one, so that each can fail and be tried again alone; a broker
is a single destination that fans out by itself. ``send`` returns when the destination *has* the
event: its handler committed, or the broker confirmed.

Its life follows the service's: ``open`` when all receivers are known, ``stop_taking`` when the
relays have stopped, ``close`` at the end. A bus never makes a start fail: one that cannot do its
work says so in ``health`` and goes on trying.

Beside that stand hints: told to every replica of every listener, kept nowhere, confirmed by
nobody. What they hint at is in a database, so one that is lost costs only time.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol

from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName

Outcomes = Sequence[Exception | None]
Receiver = Callable[[Sequence[Envelope]], Awaitable[Outcomes]]
"""Takes events of one type, in order; returns for each whether it is handled and committed (None)
or why not. It never raises."""
Listener = Callable[[Envelope], None]

handled_event: ContextVar[Envelope | None] = ContextVar("handled_event", default=None)
"""The event whose handling runs now: what it emits names it as its cause."""

handled_together: ContextVar[frozenset[str]] = ContextVar("handled_together", default=frozenset())
"""The ids of all events of one type whose handling runs in one transaction now."""


class Bus(Protocol):
    """Carries events from a relay to the readers."""

    def destinations(self, event_type: str) -> tuple[str, ...]:
        """Return whom an event of this type must reach."""

    async def send(self, destination: str, envelope: Envelope) -> None:
        """Deliver one event.

        Raises:
            Exception: it was not taken; the relay tries again (see ``outbox.py``).
        """

    def subscribe(self, service: ServiceName, event_type: str, receiver: Receiver) -> None:
        """Give a service's receiver for one event type; the catalogue must list it as reader."""

    def hint(self, envelope: Envelope) -> None:
        """Tell every listener of the type; returns at once and never fails."""

    def listen(self, service: ServiceName, event_type: str, listener: Listener) -> None:
        """Tell this replica of a service every hint of a type; the catalogue must list it."""

    def when_lost(self, call: Callable[[Collection[str]], None]) -> None:
        """Call with the event types of a queue of this service that was deleted with all in it."""

    async def open(self) -> None:
        """Begin to carry and to take; returns at once, ``health`` tells when it does."""

    async def until_open(self) -> None:
        """Return when events can be sent, as far as is known: at once, or when it is connected."""

    async def stop_taking(self) -> None:
        """Take no event any more; returns when those under way are handled and confirmed."""

    async def close(self) -> None:
        """Let go of everything; nothing is sent or taken afterwards."""

    async def depths(self) -> Mapping[str, int]:
        """Return how many messages wait in each queue of a broker that is this service's.

        Raises:
            BackendError: the broker does not answer.
        """

    async def absent_readers(self, event_types: Collection[str]) -> Collection[ServiceName]:
        """Return the services that should read these types and do not now, whatever the reason.

        Raises:
            BackendError: the broker does not answer.
        """

    def health(self) -> str | None:
        """Return why events are not carried or not taken now; None when all is well."""
