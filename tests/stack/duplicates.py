"""Takes copies of all events for a while, then publishes each of them twice, in no order.

Runs beside the services (``Stack.python``), as a user of the broker who may publish in the name of
others: ``python - <url> <seconds> <seed>``.
"""

import asyncio
import random
import sys

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

_EVENTS, _COPIES = "cassini.events", "drill.copies"


async def main(url: str, seconds: float, seed: int) -> None:
    """Collect, shuffle, and publish."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        events = await channel.get_exchange(_EVENTS)
        copies = await channel.declare_queue(
            _COPIES, durable=True, arguments={"x-queue-type": "classic"}
        )
        await copies.bind(events, routing_key="#")
        await asyncio.sleep(seconds)
        await copies.unbind(events, routing_key="#")
        kept: list[AbstractIncomingMessage] = []
        while (message := await copies.get(no_ack=True, fail=False)) is not None:
            kept.append(message)
        await copies.delete()
        again = [*kept, *kept]
        random.Random(seed).shuffle(again)
        for message in again:
            assert message.routing_key is not None
            copy = aio_pika.Message(
                message.body,
                content_type=message.content_type,
                delivery_mode=message.delivery_mode,
                message_id=message.message_id,
                timestamp=message.timestamp,
                type=message.type,
                app_id=message.app_id,
                user_id=message.user_id,
            )
            # A hint that nobody listens for now has no queue.
            await events.publish(copy, routing_key=message.routing_key, mandatory=False)
        print(len(kept))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
