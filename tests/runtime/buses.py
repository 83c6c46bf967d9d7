"""Both buses for one suite: what each service gets, and where dead letters are."""

from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.bus_rabbitmq import RabbitBus
from cassini.runtime.dead_letters import OutboxLetters
from cassini.runtime.dead_letters_rabbitmq import BrokerLetters
from cassini.testing.waiting import until
from tests.runtime.things import OUTBOX


class MemoryBuses:
    """One bus for all services of the process."""

    def __init__(self):
        self._bus = MemoryBus()

    def of(self, service, replica="one"):
        return self._bus

    async def open(self, *buses):
        pass

    async def close(self):
        pass

    def letters(self, stage):
        return OutboxLetters(stage.database, OUTBOX, stage.clock)


class RabbitBuses:
    """One bus for each replica of a service."""

    def __init__(self, url):
        self._url = url
        self._open = []

    def of(self, service, replica="one"):
        return RabbitBus(self._url, service=service, replica=replica, check_seconds=0.5)

    async def open(self, *buses):
        for bus in buses:
            self._open.append(bus)
            await bus.open()
        await until(lambda: all(bus.health() is None for bus in buses), seconds=30)

    async def close(self):
        for bus in self._open:
            await bus.stop_taking()
        for bus in self._open:
            await bus.close()

    def letters(self, stage):
        return BrokerLetters(self._url)


async def carried(stage, fact, seconds=30):
    """Let the relay send, its clock running fast, until something is so."""

    async def sent_and_so():
        await stage.relay.send_due()
        stage.clock.advance(60)
        answer = fact()
        return await answer if hasattr(answer, "__await__") else answer

    return await until(sent_and_so, seconds=seconds, every=0.02)
