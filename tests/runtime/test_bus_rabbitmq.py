"""Faults of the broker and on the way to it: nothing is lost, and it heals by itself."""

import asyncio
import subprocess
from datetime import UTC, datetime
from urllib.parse import quote

import aio_pika
import pytest
import structlog

from cassini.contracts.envelope import envelop
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime import bus_rabbitmq_link, bus_rabbitmq_publisher
from cassini.runtime.broker_topology import EVENTS
from cassini.runtime.bus_rabbitmq import DESTINATION, RabbitBus
from cassini.runtime.dead_letters_rabbitmq import BrokerLetters
from cassini.runtime.errors import BackendError
from cassini.testing.brokers import container_broker
from cassini.testing.waiting import until
from tests.runtime.tcp_proxy import proxied
from tests.runtime.things import wish

pytestmark = pytest.mark.rabbitmq

QUEUE = "builder.image.declared"


def event(resource_id=None):
    return envelop(
        wish(resource_id=resource_id or new_id()),
        event_id=new_id(),
        source="api",
        time=datetime.now(UTC),
    )


class Reader:
    """Takes what comes and remembers it; fails as it is told."""

    def __init__(self):
        self.taken = []
        self.tries = 0
        self.error = None

    async def __call__(self, envelopes):
        self.tries += len(envelopes)
        if self.error is not None:
            return [self.error] * len(envelopes)
        self.taken += [each.subject for each in envelopes]
        return [None] * len(envelopes)


class Two:
    """A sender and a reader on one broker."""

    def __init__(self, url):
        self.reader = Reader()
        self.api = RabbitBus(url, service=ServiceName.API, replica="a", check_seconds=0.3)
        self.builder = RabbitBus(url, service=ServiceName.BUILDER, replica="a", check_seconds=0.3)
        self.builder.subscribe(ServiceName.BUILDER, "image.declared.v1", self.reader)
        self.lost: set[str] = set()
        self.builder.when_lost(self.lost.update)

    async def __aenter__(self):
        await self.api.open()
        await self.builder.open()
        await self.well()
        return self

    async def __aexit__(self, *_):
        await self.builder.stop_taking()
        await self.builder.close()
        await self.api.close()

    def is_well(self):
        return self.api.health() is None and self.builder.health() is None

    async def well(self):
        await until(self.is_well, seconds=60, every=0.05)

    async def send(self, sent=None, seconds=60):
        """Send as a relay does: until it is confirmed."""
        sent = sent or event()

        async def confirmed():
            try:
                await self.api.send(DESTINATION, sent)
            except BackendError:
                return False
            return True

        await until(confirmed, seconds=seconds, every=0.1)
        return sent.subject

    async def carries(self, seconds=60):
        subject = await self.send(seconds=seconds)
        await until(lambda: subject in self.reader.taken, seconds=seconds)


@pytest.fixture(autouse=True)
def quiet():
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def patient(monkeypatch):
    """Answers are waited for only shortly."""
    monkeypatch.setattr(bus_rabbitmq_link, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(bus_rabbitmq_publisher, "ANSWER_SECONDS", 2.0)


@pytest.fixture(scope="module")
def own_broker():
    """A server that may be restarted and starved."""
    with container_broker() as broker:
        yield broker


async def told(broker, *words):
    """Run a command in the container of a broker."""
    command = ["docker", "exec", broker.container, *words]
    return await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


async def test_a_queue_that_is_deleted_is_made_again(rabbitmq, vhost, rabbitmq_url):
    async with Two(rabbitmq_url) as two:
        path = f"queues/{vhost}/{QUEUE}"
        await asyncio.to_thread(rabbitmq.ask, "DELETE", path)
        await two.carries()

    assert two.lost == {"image.declared.v1"}


async def test_a_queue_that_nobody_reads_yet_is_made_again_by_who_writes(
    rabbitmq, vhost, rabbitmq_url
):
    api = RabbitBus(rabbitmq_url, service=ServiceName.API, replica="a", check_seconds=0.3)
    await api.open()
    await until(lambda: api.health() is None)
    await asyncio.to_thread(rabbitmq.ask, "DELETE", f"queues/{vhost}/{QUEUE}")

    with pytest.raises(BackendError, match="no queue takes"):
        await api.send(DESTINATION, event())

    async def confirmed():
        try:
            await api.send(DESTINATION, event())
        except BackendError:
            return False
        return True

    await until(confirmed, seconds=20, every=0.1)
    await api.close()


async def test_connections_that_the_broker_closes_are_made_again(rabbitmq, vhost, rabbitmq_url):
    async with Two(rabbitmq_url) as two:

        async def close_all():
            listed = await asyncio.to_thread(rabbitmq.ask, "GET", f"vhosts/{vhost}/connections")
            for each in listed or ():
                path = f"connections/{quote(each['name'])}"
                await asyncio.to_thread(rabbitmq.ask, "DELETE", path)
            return len(listed or ()) >= 3

        await until(close_all, seconds=30, every=0.2)
        await two.carries()
        await two.well()


async def test_a_consumer_that_the_broker_forgot_is_noticed_and_made_again(rabbitmq_url):
    async with Two(rabbitmq_url) as two:
        (consumer,) = two.builder._taker._consumers
        queue = await consumer._channel.get_queue(QUEUE)
        await queue.cancel(consumer._tag)  # the consumer itself does not know
        assert two.builder.health() is None
        await two.carries()
        assert two.builder._taker._consumers[0] is not consumer


async def test_a_message_that_waits_though_others_consume_makes_a_doubt(rabbitmq_url):
    """Another replica is counted as consumer, but it is full: the broker hands nothing out."""
    async with Two(rabbitmq_url) as two:
        (consumer,) = two.builder._taker._consumers
        connection = await aio_pika.connect(rabbitmq_url)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        held = asyncio.Queue()
        other = await channel.get_queue(QUEUE)
        await other.consume(held.put)
        queue = await consumer._channel.get_queue(QUEUE)
        await queue.cancel(consumer._tag)
        await two.send()
        await held.get()
        await two.carries()
        await connection.close()


async def test_a_lost_connection_loses_nothing(rabbitmq_url):
    async with proxied(rabbitmq_url) as (proxy, url), Two(url) as two:
        subjects = []
        for number in range(60):
            subjects.append(await two.send())
            if number % 20 == 10:
                proxy.cut()
        await until(lambda: set(subjects) <= set(two.reader.taken), seconds=30)


async def test_a_half_open_socket_is_noticed_and_left(rabbitmq_url, patient):
    async with proxied(rabbitmq_url) as (proxy, url), Two(url) as two:
        connections = proxy.accepted
        proxy.freeze()
        await until(lambda: two.api.health() and two.builder.health(), seconds=20)
        with pytest.raises(BackendError):
            await two.api.send(DESTINATION, event())
        proxy.thaw()
        await two.carries()
        assert proxy.accepted > connections


async def test_a_confirm_that_does_not_come_is_an_error_and_the_event_may_come_twice(
    rabbitmq_url, patient
):
    async with proxied(rabbitmq_url) as (proxy, url), Two(url) as two:
        proxy.swallow_answers()
        sent = event()
        with pytest.raises(BackendError):
            await two.api.send(DESTINATION, sent)
        proxy.thaw()
        await two.send(sent)
        await until(lambda: sent.subject in two.reader.taken, seconds=30)


async def test_while_the_database_is_away_the_queue_is_not_consumed_and_nothing_dies(
    rabbitmq_url, monkeypatch
):
    monkeypatch.setattr("cassini.runtime.bus_rabbitmq_consumer.outage_backoff", lambda _tries: 0.02)
    async with Two(rabbitmq_url) as two:
        two.reader.error = ConnectionRefusedError("the database is away")
        subjects = [await two.send() for _ in range(20)]
        await until(lambda: two.reader.tries > 100, seconds=30)
        assert "the database is away" in two.builder.health()
        connection = await aio_pika.connect(rabbitmq_url)
        queue = await (await connection.channel()).get_queue(QUEUE)
        assert queue.declaration_result.message_count == 19  # all but the one that is tried
        await connection.close()

        two.reader.error = None

        await until(lambda: set(subjects) <= set(two.reader.taken), seconds=30)
        await two.well()
        assert await BrokerLetters(rabbitmq_url).letters() == []


@pytest.mark.parametrize("body", [b"{not json", b"{}", b""], ids=["broken", "empty", "nothing"])
async def test_what_is_no_event_is_a_dead_letter_at_once(rabbitmq_url, body):
    async with Two(rabbitmq_url) as two:
        connection = await aio_pika.connect(rabbitmq_url)
        exchange = await (await connection.channel()).get_exchange(EVENTS)
        await exchange.publish(aio_pika.Message(body), routing_key="image.declared.v1")
        letters = BrokerLetters(rabbitmq_url)
        (letter,) = await until(letters.letters, seconds=20, every=0.1)
        assert letter.reader == QUEUE
        assert "ValidationError" in letter.reason
        assert two.reader.tries == 0
        await two.carries()
        await connection.close()


async def test_an_event_of_an_unknown_type_is_a_dead_letter_at_once(rabbitmq_url):
    async with Two(rabbitmq_url) as two:
        connection = await aio_pika.connect(rabbitmq_url)
        exchange = await (await connection.channel()).get_exchange(EVENTS)
        unknown = event().model_copy(update={"type": "image.declared.v9"})
        message = aio_pika.Message(unknown.model_dump_json().encode())
        await exchange.publish(message, routing_key="image.declared.v1")
        letters = BrokerLetters(rabbitmq_url)
        (letter,) = await until(letters.letters, seconds=20, every=0.1)
        assert (letter.id, letter.type) == (unknown.id, "image.declared.v9")
        assert two.reader.tries == 0
        await connection.close()


async def test_looking_at_dead_letters_often_does_not_remove_them(rabbitmq_url):
    async with Two(rabbitmq_url):
        connection = await aio_pika.connect(rabbitmq_url)
        exchange = await (await connection.channel()).get_exchange(EVENTS)
        await exchange.publish(aio_pika.Message(b"?"), routing_key="image.declared.v1")
        letters = BrokerLetters(rabbitmq_url)
        await until(letters.letters, seconds=20, every=0.1)
        for _ in range(30):
            assert len(await until(letters.letters)) == 1
        await connection.close()


async def test_a_message_that_kills_its_reader_again_and_again_dies_at_the_limit(
    rabbitmq_url, monkeypatch
):
    monkeypatch.setattr("cassini.runtime.broker_topology.DELIVERY_LIMIT", 3)
    async with Two(rabbitmq_url) as two:
        await two.builder.stop_taking()
        subject = await two.send()
        letters = BrokerLetters(rabbitmq_url)
        for _ in range(4):
            connection = await aio_pika.connect(rabbitmq_url)
            queue = await (await connection.channel()).get_queue(QUEUE)
            await until(lambda queue=queue: queue.get(fail=False), every=0.1)
            await connection.close()
        (letter,) = await until(letters.letters, seconds=20, every=0.1)
        assert (letter.subject, letter.reader) == (subject, QUEUE)
        assert "delivery_limit" in letter.reason


async def test_a_broker_that_is_restarted_has_kept_everything(own_broker):
    with own_broker.fresh_vhost() as vhost:
        async with Two(own_broker.url(vhost)) as two:
            two.reader.error = ConnectionRefusedError("the database is away")
            subjects = [await two.send() for _ in range(5)]
            restart = ["docker", "restart", "-t", "3", own_broker.container]
            await asyncio.to_thread(subprocess.run, restart, check=True, capture_output=True)
            await until(lambda: not two.is_well())
            two.reader.error = None
            await asyncio.to_thread(own_broker.await_start)
            await two.carries()
            await until(lambda: set(subjects) <= set(two.reader.taken), seconds=30)
            await two.well()


async def test_a_broker_without_memory_takes_nothing_and_says_so(own_broker, patient):
    with own_broker.fresh_vhost() as vhost:
        async with Two(own_broker.url(vhost)) as two:
            await told(own_broker, "rabbitmqctl", "set_vm_memory_high_watermark", "0.0000001")
            try:

                async def blocked():
                    try:
                        await two.api.send(DESTINATION, event())
                    except BackendError as error:
                        return "short of memory" in error.message
                    return False

                await until(blocked, seconds=30, every=0.1)
                assert "short of memory" in two.api.health()
            finally:
                await told(own_broker, "rabbitmqctl", "set_vm_memory_high_watermark", "0.4")
            await two.carries()
            await two.well()
