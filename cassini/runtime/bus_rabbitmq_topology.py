"""Sees that every exchange and queue of the catalogue is at the broker.

Each service looks after the whole, so that nothing is unroutable before a reader's first start.
What is there is only looked at, and what is not is made: a service's own user may not declare
another's queue (``broker_definitions.py``), and where there are such users it need not.
"""

from collections.abc import Awaitable

from aio_pika import ExchangeType
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPChannelError, ChannelNotFoundEntity

from cassini.contracts.resources import ServiceName
from cassini.runtime.broker_topology import DEAD, EVENTS, Queue, all_queues
from cassini.runtime.errors import BackendError


async def declare_topology(connection: AbstractConnection, service: ServiceName | None) -> None:
    """Look at everything, make what is missing, and bind the queues of this service.

    Raises:
        BackendError: something is missing and this user may not make it.
    """
    for name in (EVENTS, DEAD):
        async with connection.channel() as channel:
            there = await _is_there(channel.get_exchange(name))
        if not there:
            await _make_exchange(connection, name)
    for queue in all_queues():
        async with connection.channel() as channel:
            there = await _is_there(channel.get_queue(queue.name))
        if not there or queue.service == service:
            await _make_queue(connection, queue, there=there)


async def _is_there(look: Awaitable[object]) -> bool:
    try:
        await look
    except ChannelNotFoundEntity:
        return False
    return True


async def _make_exchange(connection: AbstractConnection, name: str) -> None:
    async with connection.channel() as channel:
        try:
            await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
        except AMQPChannelError as error:
            raise _not_allowed(name, error) from None


async def _make_queue(connection: AbstractConnection, queue: Queue, *, there: bool) -> None:
    async with connection.channel() as channel:
        try:
            if not there:
                await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
            made = await channel.get_queue(queue.name, ensure=False)
            for key in queue.routing_keys:
                await made.bind(queue.exchange, routing_key=key)
        except AMQPChannelError as error:
            raise _not_allowed(queue.name, error) from None


def _not_allowed(name: str, error: AMQPChannelError) -> BackendError:
    return BackendError(
        f"{name} is missing at the broker and this user may not make it; load the broker's "
        f"definitions: {error}"
    )
