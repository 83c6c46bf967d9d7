"""The dead letters at RabbitMQ: every ``<service>.dead`` queue, as the administrator sees them.

A queue is gone through once: letters are taken up and, those that are to stay, put back when the
channel closes. Replay publishes a letter into the queue it died in, and only its confirm removes
it here, so a break in between leaves it twice, never not at all.
"""

import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from pydantic import ValidationError

from cassini.contracts.envelope import Envelope
from cassini.runtime.broker_topology import DEAD, all_queues
from cassini.runtime.bus_rabbitmq_consumer import DIED_IN, REASON
from cassini.runtime.bus_rabbitmq_link import ANSWER_SECONDS
from cassini.runtime.bus_rabbitmq_topology import declare_topology
from cassini.runtime.dead_letters import MOST_LISTED, DeadLetter
from cassini.runtime.errors import BackendError


class BrokerLetters:
    """The dead letters at one broker."""

    def __init__(self, url: str) -> None:
        """Prepare; ``url`` is of a user who may read and write every queue."""
        self._url = url
        self._user = unquote(urlsplit(url).username or "guest")

    async def letters(self) -> list[DeadLetter]:
        """Return them, queue by queue.

        Raises:
            BackendError: the broker cannot be reached, or refuses.
        """
        async with self._letters() as letters:
            return [_read(message) async for message, _ in letters]

    async def replay(self, ids: Collection[str] | None) -> int:
        """Put them into the queues they died in.

        Raises:
            BackendError: the broker cannot be reached, or refuses.
        """
        count = 0
        async with self._letters() as letters:
            async for message, channel in letters:
                letter = _read(message)
                if ids is None or letter.id in ids:
                    await channel.default_exchange.publish(
                        self._renewed(message), routing_key=letter.reader, mandatory=True
                    )
                    await message.ack()
                    count += 1
        return count

    async def discard(self, ids: Collection[str] | None) -> int:
        """Remove them.

        Raises:
            BackendError: the broker cannot be reached, or refuses.
        """
        count = 0
        async with self._letters() as letters:
            async for message, _ in letters:
                if ids is None or _read(message).id in ids:
                    await message.ack()
                    count += 1
        return count

    @asynccontextmanager
    async def _letters(
        self,
    ) -> AsyncIterator[AsyncIterator[tuple[AbstractIncomingMessage, AbstractChannel]]]:
        try:
            connection = await aio_pika.connect(self._url, timeout=ANSWER_SECONDS)
            async with connection:
                await declare_topology(connection, None)
                yield _each_letter(connection)
        except CONNECTION_EXCEPTIONS as error:
            raise BackendError(f"the broker cannot be used: {error}") from error

    def _renewed(self, letter: AbstractIncomingMessage) -> Message:
        return Message(
            letter.body,
            content_type=letter.content_type,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=letter.message_id,
            timestamp=letter.timestamp,
            type=letter.type,
            app_id=letter.app_id,
            user_id=self._user,
        )


async def _each_letter(
    connection: AbstractConnection,
) -> AsyncIterator[tuple[AbstractIncomingMessage, AbstractChannel]]:
    """Take up each letter that is there now; the caller acknowledges those that are to go."""
    for queue in all_queues():
        if queue.exchange != DEAD:
            continue
        async with connection.channel(on_return_raises=True) as channel:
            dead = await channel.get_queue(queue.name)
            for _ in range(min(dead.declaration_result.message_count or 0, MOST_LISTED)):
                message = await dead.get(fail=False)
                if message is None:
                    break
                yield message, channel


def _read(message: AbstractIncomingMessage) -> DeadLetter:
    headers = message.headers
    try:
        event = Envelope.model_validate_json(message.body)
        name, kind, subject = event.id, event.type, event.subject
    except ValidationError:
        name, kind, subject = message.message_id or "", message.type or "?", "?"
    return DeadLetter(
        id=name or hashlib.sha256(message.body).hexdigest()[:32],
        type=kind,
        subject=subject,
        reader=str(headers.get(DIED_IN) or headers.get("x-first-death-queue") or "?"),
        reason=_reason(headers),
    )


def _reason(headers: Any) -> str:
    """Return what our own reader said, else what the broker says."""
    if REASON in headers:
        return str(headers[REASON])
    return f"the broker gave it up: {headers.get('x-first-death-reason', 'it does not say why')}"
