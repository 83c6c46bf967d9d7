"""The bus of the distributed form: RabbitMQ."""

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import Listener, Receiver
from cassini.runtime.errors import BackendError

DESTINATION = "rabbitmq"


class RabbitBus:
    """One replica's door to the broker."""

    def __init__(self, url: str, *, service: ServiceName, replica: str) -> None:
        """Prepare; nothing is connected before ``open``.

        ``url`` is ``amqp[s]://user:password@host[:port]/vhost``; ``replica`` names this process
        among those of its service (a host or container name).
        """
        self._url = url
        self._service = service
        self._replica = replica

    def destinations(self, event_type: str) -> tuple[str, ...]:
        """Return the broker, for every type that has a reader."""
        return (DESTINATION,) if CATALOG[event_type].readers else ()

    async def send(self, destination: str, envelope: Envelope) -> None:
        """Publish one event; returns when every queue of its readers has it."""
        raise BackendError("the broker is not connected")

    def subscribe(self, service: ServiceName, event_type: str, receiver: Receiver) -> None:
        """Take the receiver of this service for one event type."""

    def hint(self, envelope: Envelope) -> None:
        """Tell every replica of every listener."""

    def listen(self, service: ServiceName, event_type: str, listener: Listener) -> None:
        """Add a listener of one event type."""

    async def open(self) -> None:
        """Begin to connect; returns at once."""

    async def stop_taking(self) -> None:
        """Take no more; what is in hand is handled and confirmed first."""

    async def close(self) -> None:
        """Close the connections."""

    def health(self) -> str | None:
        """Say why it does not publish or consume now."""
        return "the broker is not connected"
