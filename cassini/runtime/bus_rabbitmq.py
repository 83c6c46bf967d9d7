"""The bus of the distributed form: RabbitMQ.

One replica has two connections, one to publish (``bus_rabbitmq_publisher.py``) and one to take
(``bus_rabbitmq_consumer.py``), each made anew from zero on any doubt (``bus_rabbitmq_link.py``).
The broker fans out by itself, so it is the one destination of every event that has a reader; what
it has confirmed is in every reader's queue (``broker_topology.py``).

Hints come by a queue that is this replica's own and goes with its connection.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from urllib.parse import unquote, urlsplit

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pydantic import ValidationError

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.broker_topology import EVENTS, dead_queue, hint_queue, reader_queue
from cassini.runtime.bus import Listener, Receiver
from cassini.runtime.bus_rabbitmq_consumer import QueueConsumer
from cassini.runtime.bus_rabbitmq_link import ANSWER_SECONDS, CHECK_SECONDS, Link
from cassini.runtime.bus_rabbitmq_publisher import Publisher
from cassini.runtime.bus_rabbitmq_topology import declare_topology
from cassini.runtime.errors import BackendError

DESTINATION = "rabbitmq"
_HINTS_KEPT = 1000

_log = structlog.get_logger(__name__)


class RabbitBus:
    """One replica's door to the broker."""

    def __init__(
        self,
        url: str,
        *,
        service: ServiceName,
        replica: str,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """Prepare; nothing is connected before ``open``.

        ``url`` is ``amqp[s]://user:password@host[:port]/vhost``; ``replica`` names this process
        among those of its service (a host or container name).
        """
        user, name = unquote(urlsplit(url).username or "guest"), f"{service} {replica}"
        self._service = service
        self._publisher = Publisher(
            url, service=service, user=user, name=f"{name} sends", check_seconds=check_seconds
        )
        self._taker = _Taker(service, replica, user)
        self._taking = Link(
            url, name=f"{name} takes", user=self._taker, check_seconds=check_seconds
        )
        self._taker.link = self._taking

    def destinations(self, event_type: str) -> tuple[str, ...]:
        """Return the broker, for every type that has a reader."""
        return (DESTINATION,) if CATALOG[event_type].readers else ()

    async def send(self, destination: str, envelope: Envelope) -> None:
        """Publish one event; returns when every queue of its readers has it.

        Raises:
            BackendError: the broker did not confirm that.
        """
        del destination  # there is only the broker
        await self._publisher.send(envelope)

    def subscribe(self, service: ServiceName, event_type: str, receiver: Receiver) -> None:
        """Take the receiver of this service for one event type, before ``open``.

        Raises:
            ValueError: the catalogue does not list this reader, it is another service, or it has
                a receiver already.
        """
        if service != self._service or service not in CATALOG[event_type].readers:
            raise ValueError(f"the catalogue does not list {service} as a reader of {event_type}")
        if event_type in self._taker.receivers:
            raise ValueError(f"{service} has a receiver for {event_type} already")
        self._taker.receivers[event_type] = receiver

    def hint(self, envelope: Envelope) -> None:
        """Tell every replica of every listener, when there is time, or never."""
        self._publisher.hint(envelope)

    def listen(self, service: ServiceName, event_type: str, listener: Listener) -> None:
        """Add a listener of one event type, before ``open``.

        Raises:
            ValueError: the catalogue does not list this listener, or it is another service.
        """
        if service != self._service or service not in CATALOG[event_type].listeners:
            raise ValueError(f"the catalogue does not list {service} as a listener of {event_type}")
        self._taker.listeners.setdefault(event_type, []).append(listener)

    def when_lost(self, call: Callable[[Collection[str]], None]) -> None:
        """Call when the broker says that a queue is gone that was consumed here."""
        self._taker.lost = call

    async def open(self) -> None:
        """Begin to connect; returns at once."""
        self._publisher.link.open()
        if self._taker.is_wanted:
            self._taking.open()

    async def until_open(self) -> None:
        """Return when the connection that sends is up."""
        await self._publisher.link.until_up()

    async def stop_taking(self) -> None:
        """Take no more; what is in hand is handled and confirmed first."""
        await self._taker.drain()
        await self._taking.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._taking.close()
        await self._publisher.link.close()

    async def depths(self) -> Mapping[str, int]:
        """Ask the broker how many messages wait in each of this service's queues.

        Raises:
            BackendError: it is not connected.
        """
        return await self._taker.depths() if self._taker.is_wanted else {}

    async def absent_readers(self, event_types: Collection[str]) -> Collection[ServiceName]:
        """Ask the broker whose queues of these types nobody consumes.

        Raises:
            BackendError: it is not connected.
        """
        wanted = {
            reader_queue(reader, name): reader
            for name in event_types
            for reader in CATALOG[name].readers
        }
        consumers = await self._publisher.count_consumers(wanted)
        return {wanted[queue] for queue, count in consumers.items() if not count}

    def health(self) -> str | None:
        """Say why it does not publish or consume now."""
        taking = (self._taking.problem or self._taker.problem) if self._taker.is_wanted else None
        return self._publisher.problem or taking


class _Taker:
    """Everything that one connection takes: a consumer for each queue, and the hints."""

    link: Link

    def __init__(self, service: ServiceName, replica: str, user: str) -> None:
        self.receivers: dict[str, Receiver] = {}
        self.listeners: dict[str, list[Listener]] = {}
        self._service = service
        self._replica = replica
        self._user = user
        self.lost: Callable[[Collection[str]], None] = lambda _types: None
        self._consumers: list[QueueConsumer] = []
        self._hints: AbstractChannel | None = None
        self._connection: AbstractConnection | None = None
        self._hint_queue = ""

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to take."""
        return bool(self.receivers or self.listeners)

    @property
    def problem(self) -> str | None:
        """Why one of the queues is not taken now."""
        return next((each.problem for each in self._consumers if each.problem), None)

    async def begin(self, connection: AbstractConnection) -> None:
        """See to the topology and consume everything."""
        await declare_topology(connection, self._service)
        self._connection = connection
        queues: dict[str, dict[str, Receiver]] = {}
        for name, receiver in self.receivers.items():
            queues.setdefault(reader_queue(self._service, name), {})[name] = receiver
        for queue, receivers in queues.items():
            consumer = QueueConsumer(
                queue,
                service=self._service,
                user=self._user,
                receivers=receivers,
                doubt=self.link.doubt,
                lost=partial(self.lost, tuple(receivers)),
            )
            self._consumers.append(consumer)
            await consumer.begin(connection)
        if self.listeners:
            await self._listen(connection)

    async def check(self) -> None:
        """Prove that every consumer consumes."""
        for consumer in self._consumers:
            await consumer.check()
        if self._hints is not None:
            await self._hints.get_queue(self._hint_queue)

    async def end(self) -> None:
        """Forget the consumers of a connection that is lost."""
        consumers, self._consumers = self._consumers, []
        self._hints = self._connection = None
        await asyncio.gather(*(each.abandon() for each in consumers))

    async def depths(self) -> dict[str, int]:
        """Count on a channel of its own: a question that fails closes it."""
        if self._connection is None:
            raise BackendError("the broker is not connected")
        queues = {reader_queue(self._service, name) for name in self.receivers}
        async with self._connection.channel() as channel:
            return {
                name: (await channel.get_queue(name)).declaration_result.message_count or 0
                for name in sorted(queues | {dead_queue(self._service)})
            }

    async def drain(self) -> None:
        """Let every consumer finish what it has in hand."""
        consumers = self._consumers
        await asyncio.gather(*(each.drain() for each in consumers), return_exceptions=True)

    async def _listen(self, connection: AbstractConnection) -> None:
        # A new name each time: a lost connection may hold on to the old one for a while.
        self._hint_queue = hint_queue(self._service, f"{self._replica}.{uuid.uuid4().hex[:8]}")
        self._hints = await connection.channel(publisher_confirms=False)
        queue = await self._hints.declare_queue(
            self._hint_queue,
            exclusive=True,
            auto_delete=True,
            arguments={"x-queue-type": "classic", "x-max-length": _HINTS_KEPT},
        )
        for name in self.listeners:
            await queue.bind(EVENTS, routing_key=name)
        await queue.consume(self._hear, no_ack=True, timeout=ANSWER_SECONDS)

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        try:
            envelope = Envelope.model_validate_json(message.body)
        except ValidationError:
            _log.warning("a hint cannot be read", id=message.message_id)
            return
        for listener in self.listeners.get(envelope.type, ()):
            try:
                listener(envelope)
            except Exception:  # noqa: BLE001 - it costs only this listener the hint
                _log.exception("a hint was not heard", type=envelope.type)
