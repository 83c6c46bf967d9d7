"""Publishing to RabbitMQ: an event is sent when every queue of its readers has it.

All publishes share one channel and do not wait for each other: the broker's confirms come back in
any order. Nothing is taken for granted: an event that no queue takes comes back (``mandatory``), a
refusal, a confirm that does not come and a lost connection are each an error for the relay, whose
row stays. A connection of its own, since the broker stops reading from whoever publishes while it
is short of memory or disk, and acknowledgements must get through meanwhile.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError

from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.broker_topology import EVENTS
from cassini.runtime.bus_rabbitmq_link import ANSWER_SECONDS, Link
from cassini.runtime.bus_rabbitmq_topology import declare_topology
from cassini.runtime.errors import BackendError

_HINTS_WAITING = 1000
_BLOCKED = "the broker takes nothing now: it is short of memory or disk"

_log = structlog.get_logger(__name__)


class Publisher:
    """Publishes events and hints over one link."""

    def __init__(
        self, url: str, *, service: ServiceName, user: str, name: str, check_seconds: float
    ) -> None:
        self.link = Link(url, name=name, user=self, check_seconds=check_seconds)
        self._service = service
        self._user = user
        self._connection: AbstractConnection | None = None
        self._events: AbstractExchange | None = None
        self._hints: asyncio.Queue[Envelope] = asyncio.Queue(_HINTS_WAITING)
        self._hinting: asyncio.Task[None] | None = None
        self._blocked = False

    async def begin(self, connection: AbstractConnection) -> None:
        """See to the topology, then open the channels."""
        await declare_topology(connection, self._service)
        confirmed = await connection.channel(on_return_raises=True)
        confirmed.close_callbacks.add(
            lambda _channel, error: self.link.doubt(f"the broker closed a channel: {error}")
        )
        unconfirmed = await connection.channel(publisher_confirms=False)
        self._connection, self._blocked = connection, False
        self._events = await confirmed.get_exchange(EVENTS, ensure=False)
        hints = await unconfirmed.get_exchange(EVENTS, ensure=False)
        self._hinting = asyncio.create_task(self._send_hints(hints))

    async def check(self) -> None:
        """Ask the broker something, unless it has said that it listens to nobody now."""
        connection = self._connection
        if connection is not None and not await self._is_blocked(connection):
            async with connection.channel() as channel:
                await channel.get_exchange(EVENTS)

    async def end(self) -> None:
        """Publish nothing until the next session."""
        self._connection = self._events = None
        if self._hinting is not None:
            self._hinting.cancel()
            await asyncio.gather(self._hinting, return_exceptions=True)

    async def send(self, envelope: Envelope) -> None:
        """Publish one event; returns when the broker has confirmed it.

        Raises:
            BackendError: it has not, and may have it or not.
        """
        events, connection = self._events, self._connection
        if events is None or connection is None:
            raise BackendError(self.link.problem or "the broker is not connected")
        if await self._is_blocked(connection):
            raise BackendError(_BLOCKED)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await events.publish(
                    self._message(envelope, DeliveryMode.PERSISTENT),
                    routing_key=envelope.type,
                    mandatory=True,
                )
        except PublishError:
            self.link.doubt(f"no queue takes {envelope.type}")
            raise BackendError(f"no queue takes {envelope.type}") from None
        except DeliveryError:
            raise BackendError(f"the broker refused {envelope.type}") from None
        except TimeoutError:
            if await self._is_blocked(connection):
                raise BackendError(_BLOCKED) from None
            self.link.doubt(f"the broker did not confirm within {ANSWER_SECONDS:.0f} s")
            raise BackendError("the broker did not confirm the event in time") from None
        except CONNECTION_EXCEPTIONS as error:
            raise BackendError(f"the connection to the broker was lost: {error}") from None
        except asyncio.CancelledError:
            # A connection that is closed cancels what waits on it, not only who is cancelled.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise BackendError("the connection to the broker was closed") from None

    async def count_consumers(self, queues: Iterable[str]) -> dict[str, int]:
        """Return how many consumers each queue has now.

        Raises:
            BackendError: the broker does not answer.
        """
        if self._connection is None or self.problem:
            raise BackendError(self.problem or "the broker is not connected")
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._connection.channel() as channel,
            ):
                found = {name: await channel.get_queue(name) for name in queues}
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            raise BackendError(f"the broker does not answer: {error!r}") from None
        return {name: queue.declaration_result.consumer_count or 0 for name, queue in found.items()}

    def hint(self, envelope: Envelope) -> None:
        """Send a hint when there is time, or never."""
        with suppress(asyncio.QueueFull):
            self._hints.put_nowait(envelope)

    @property
    def problem(self) -> str | None:
        """Why nothing is published now."""
        return self.link.problem or (_BLOCKED if self._blocked else None)

    async def _send_hints(self, exchange: AbstractExchange) -> None:
        while True:
            hint = await self._hints.get()
            try:
                message = self._message(hint, DeliveryMode.NOT_PERSISTENT)
                await exchange.publish(message, routing_key=hint.type, mandatory=False)
            except CONNECTION_EXCEPTIONS as error:
                _log.info("a hint was not sent", type=hint.type, error=str(error))

    def _message(self, envelope: Envelope, mode: DeliveryMode) -> Message:
        return Message(
            envelope.model_dump_json().encode(),
            content_type="application/cloudevents+json",
            delivery_mode=mode,
            message_id=envelope.id,
            timestamp=datetime.now(UTC),
            type=envelope.type,
            app_id="cassini",
            user_id=self._user,
        )

    async def _is_blocked(self, connection: AbstractConnection) -> bool:
        """Say whether the broker has told that it reads nothing from this connection now."""
        transport = connection.transport
        if transport is not None:
            try:
                async with asyncio.timeout(0):  # ready at once, or it would have to wait
                    await transport.ready()
                self._blocked = False
            except TimeoutError:
                self._blocked = True
        return self._blocked
