"""Each service's own user at a real broker: it may do its part and nothing else."""

import asyncio
import os

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError, ChannelClosed

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.broker_definitions import ADMINISTRATOR, broker_definitions
from cassini.runtime.broker_topology import DEAD, EVENTS, all_queues, dead_queue, reader_queue
from cassini.runtime.bus_rabbitmq import DESTINATION, RabbitBus
from cassini.testing.waiting import until
from tests.runtime.things import wish

PASSWORDS = {name: f"secret of {name}" for name in ServiceName}


def definitions(vhost="cassini"):
    return broker_definitions(
        PASSWORDS, administrator_password="planted", salt=lambda: os.urandom(4), vhost=vhost
    )


@pytest.fixture
def address(rabbitmq, vhost):
    """Loads the definitions; returns the address of a service's own user."""
    users = {name: f"{name}-{vhost}" for name in (*ServiceName, ADMINISTRATOR)}
    said = definitions(vhost)
    for each in said["users"]:
        each["name"] = users[each["name"]]  # users are the server's, not the virtual host's
    for each in (*said["permissions"], *said["topic_permissions"]):
        each["user"] = users[each["user"]]
    rabbitmq.ask("POST", "definitions", said)
    yield lambda name: rabbitmq.url(vhost, user=users[name], password=PASSWORDS[name])
    for name in users.values():
        rabbitmq.ask("DELETE", f"users/{name}")


def test_no_password_stands_in_the_definitions():
    text = str(definitions())

    assert "secret of" not in text
    assert "planted" not in text


def test_each_service_has_a_user_and_there_is_one_administrator():
    names = [each["name"] for each in definitions()["users"]]

    assert names == [*sorted(ServiceName), ADMINISTRATOR]


def test_every_reader_has_its_queue_bound_and_its_dead_letters():
    bindings = {
        (each["source"], each["routing_key"], each["destination"])
        for each in definitions()["bindings"]
    }
    readers = [(event.name, who) for event in CATALOG.values() for who in event.readers]

    assert bindings == {
        *((EVENTS, name, reader_queue(who, name)) for name, who in readers),
        *((DEAD, str(who), dead_queue(who)) for _, who in readers),
    }


@pytest.mark.rabbitmq
async def test_services_with_users_of_their_own_do_their_work(address):
    taken = []

    async def take(envelopes):
        taken.extend(each.subject for each in envelopes)
        return [None] * len(envelopes)

    async def refuse(envelopes):
        return [ValueError("no")] * len(envelopes)

    buses = [RabbitBus(address(name), service=name, replica="a") for name in ServiceName]
    by_name = dict(zip(ServiceName, buses, strict=True))
    by_name["builder"].subscribe(ServiceName.BUILDER, "image.declared.v1", take)
    by_name["api"].listen(ServiceName.API, "resource.changed.v1", taken.append)
    by_name["secrets"].subscribe(ServiceName.SECRETS, "credential.declared.v1", refuse)
    for bus in buses:
        await bus.open()
    await until(lambda: [bus.health() for bus in buses] == [None] * len(buses), seconds=30)
    event = envelop(wish(), event_id=new_id(), source="api", time="2030-01-01T00:00:00Z")
    await by_name["api"].send(DESTINATION, event)
    await until(lambda: event.subject in taken)
    for bus in buses:
        await bus.stop_taking()
        await bus.close()


async def fails(url, do):
    """Say whether the broker refuses something that is done on a channel of its own."""
    connection = await aio_pika.connect(url)
    try:
        async with asyncio.timeout(20):
            channel = await connection.channel()
            await do(channel)
    except (AMQPError, ChannelClosed, asyncio.CancelledError) as error:
        return "ACCESS_REFUSED" in str(error) or "PRECONDITION" in str(error) or repr(error)
    else:
        return False
    finally:
        await connection.close()


def publish(exchange, key, user=None):
    async def do(channel):
        made = await channel.get_exchange(exchange, ensure=False)
        await made.publish(aio_pika.Message(b"{}", user_id=user), routing_key=key)

    return do


@pytest.mark.rabbitmq
async def test_a_service_publishes_only_the_types_it_writes(address):
    for name in ServiceName:
        for event in CATALOG.values():
            refused = await fails(address(name), publish(EVENTS, event.name))
            assert bool(refused) == (name not in event.writers), (name, event.name, refused)


@pytest.mark.rabbitmq
async def test_a_service_reads_only_its_own_queues_and_deletes_no_other(address):
    async def consume(queue, channel):
        got = await channel.get_queue(queue, ensure=False)
        await got.consume(asyncio.Queue().put)

    async def delete(queue, channel):
        await channel.queue_delete(queue)

    for queue in all_queues():
        other = next(name for name in ServiceName if name != queue.service)
        assert not await fails(address(queue.service), lambda c, q=queue: consume(q.name, c))
        assert await fails(address(other), lambda c, q=queue: consume(q.name, c))
        assert await fails(address(other), lambda c, q=queue: delete(q.name, c))


@pytest.mark.rabbitmq
async def test_a_service_is_nobody_else_and_goes_round_no_exchange(address):
    api = address("api")

    assert await fails(api, publish(EVENTS, "image.declared.v1", user="builder"))
    assert await fails(api, publish("", "builder.image.declared"))
    assert await fails(api, publish(DEAD, "builder"))


@pytest.mark.rabbitmq
async def test_a_service_binds_its_queue_to_no_event_it_does_not_read(address):
    async def bind(channel):
        queue = await channel.get_queue("api.image.observed", ensure=False)
        await queue.bind(EVENTS, routing_key="credential.declared.v1")

    assert await fails(address("api"), bind)
