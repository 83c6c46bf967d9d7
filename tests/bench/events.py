"""Events per second through outbox, RabbitMQ and handler, beside bare aio-pika with confirms.

    python -m tests.bench.events [--events 4000] [--rounds 3]

Everything is on one machine and sender and reader are in one process, for both. Bare: messages of
the same size to a quorum queue, 64 at once with confirms, each acknowledged. Cassini, on PostgreSQL
(that does not wait for the disk): the relay reads the outbox, publishes with confirms and marks;
the reader's handler keeps each wish in a row of its own. Once with the rows already in the outbox,
once with the commits that put them there, one each, sixteen at a time. The aim is about the first:
the second is mostly what a transaction costs, which bare messages do without. All take turns in
every round; on a machine that does other things as well, the best round is the least disturbed.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
import uuid
from contextlib import AsyncExitStack, ExitStack

import aio_pika
import structlog

from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.bus_rabbitmq import RabbitBus
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.inbox import Inbox
from cassini.testing.brokers import given_broker, shared_broker
from cassini.testing.databases import fresh_schema, postgres_server
from cassini.testing.waiting import until
from tests.runtime.things import Stage, ThingTable, wish

AIM_RATIO = 0.3
_TOGETHER, _WRITERS, _A_COMMIT = 64, 16, 100
_BARE = "bare aio-pika"


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.events", description=__doc__)
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    run, given = f"bench-{uuid.uuid4().hex[:8]}", os.environ.get("CASSINI_TEST_RABBITMQ_URL")
    with ExitStack() as stack:
        database = stack.enter_context(postgres_server(run))
        broker = (
            given_broker(given, os.environ.get("CASSINI_TEST_RABBITMQ_MANAGEMENT_URL"))
            if given
            else stack.enter_context(shared_broker(run))
        )
        rates: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, measure in _MEASURED.items():
                with broker.fresh_vhost() as vhost:
                    work = measure(broker.url(vhost), database, options.events)
                    rates.setdefault(name, []).append(options.events / asyncio.run(work))
    bare = rates[_BARE]
    print(f"load {os.getloadavg()[0]:.1f} at the end, {options.rounds} rounds in turn")
    for name, values in rates.items():
        median, best = statistics.median(values), max(values)
        ratios = f"{median / statistics.median(bare):.2f} x bare, best {best / max(bare):.2f} x"
        each = ", ".join(f"{value:.0f}" for value in values)
        print(f"{name:34} {median:7.0f} events/s   {ratios}   ({each})")
    print(f"The aim is {AIM_RATIO} x bare, with rows in the outbox.")
    return 0


async def _bare(url: str, _database: str, count: int) -> float:
    body = envelop(
        wish(), event_id=new_id(), source=ServiceName.API, time="2030-01-01T00:00:00Z"
    ).model_dump_json()
    done = asyncio.Event()
    taken = 0

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal taken
        await message.ack()
        taken += 1
        if taken == count:
            done.set()

    async with await aio_pika.connect(url) as sender, await aio_pika.connect(url) as reader:
        channel = await sender.channel(on_return_raises=True)
        arguments = {"x-queue-type": "quorum"}
        queue = await channel.declare_queue("bare", durable=True, arguments=arguments)
        other = await reader.channel()
        await other.set_qos(prefetch_count=_TOGETHER)
        await (await other.get_queue(queue.name)).consume(take)

        async def publish() -> None:
            message = aio_pika.Message(body.encode(), delivery_mode=2)
            await channel.default_exchange.publish(message, routing_key=queue.name)

        began = time.perf_counter()
        for _ in range(count // _TOGETHER):
            await asyncio.gather(*(publish() for _ in range(_TOGETHER)))
        await asyncio.gather(*(publish() for _ in range(count % _TOGETHER)))
        await done.wait()
        return time.perf_counter() - began


async def _from_rows(url: str, database: str, count: int) -> float:
    return await _through(url, database, count, with_commits=False)


async def _with_commits(url: str, database: str, count: int) -> float:
    return await _through(url, database, count, with_commits=True)


async def _through(url: str, database_url: str, count: int, *, with_commits: bool) -> float:
    clock, handled = SystemClock(), 0
    async with AsyncExitStack() as stack:
        schema = await stack.enter_async_context(fresh_schema(database_url))
        database = Database(database_url, schema=schema)
        stack.push_async_callback(database.close)
        await database.run_sync(ThingTable.metadata.create_all)
        api = RabbitBus(url, service=ServiceName.API, replica="bench")
        builder = RabbitBus(url, service=ServiceName.BUILDER, replica="bench")
        sender, reader = Stage(database, clock, api), Stage(database, clock, builder)

        async def keep(session, message) -> None:
            nonlocal handled
            await reader.owned.accept(session, message)
            handled += 1

        Inbox(ServiceName.BUILDER, database, {"image.declared.v1": keep}).connect(builder)
        for bus in (api, builder):
            await bus.open()
            stack.push_async_callback(bus.close)
        await until(lambda: api.health() is None and builder.health() is None, seconds=60)
        wishes = [wish(resource_id=new_id()) for _ in range(count)]
        began = time.perf_counter()
        if with_commits:
            relay = asyncio.create_task(sender.relay.run())
            writers = [_write(sender, wishes[start::_WRITERS]) for start in range(_WRITERS)]
            await asyncio.gather(*writers)
        else:
            for start in range(0, count, _A_COMMIT):
                await sender.emit(*wishes[start : start + _A_COMMIT])
            began = time.perf_counter()
            relay = asyncio.create_task(sender.relay.run())
        await until(lambda: handled >= count, seconds=600)
        took = time.perf_counter() - began
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
        await sender.relay.finish()
        await builder.stop_taking()
        return took


async def _write(sender: Stage, wishes: list) -> None:
    for each in wishes:
        await sender.emit(each)


_MEASURED = {
    _BARE: _bare,
    "Cassini, rows in the outbox": _from_rows,
    "Cassini, with a commit for each": _with_commits,
}

if __name__ == "__main__":
    sys.exit(main())
