"""The names of RabbitMQ's exchanges and queues, derived from the catalogue of events.

``cassini.events`` (topic) carries every event under its type as routing key. Each reader has one
quorum queue for each verb of a noun, ``<service>.<noun>.<verb>``; its replicas share it. What a
reader gives up goes through ``cassini.dead`` to ``<service>.dead``: from our own code with the
reason, and from the broker when a message was taken up ``DELIVERY_LIMIT`` times without an answer,
as by one that kills its reader. The queue of a reader never drops a message: dead letters leave it
only when ``<service>.dead`` has them (at-least-once, which wants ``reject-publish``).
"""

from dataclasses import dataclass
from typing import Any

from cassini.contracts.catalog import CATALOG
from cassini.contracts.resources import ServiceName

EVENTS, DEAD = "cassini.events", "cassini.dead"

DELIVERY_LIMIT = 30
"""How often the broker hands a message out before it gives up on it.

RabbitMQ 4.0 counts what is put back and what a lost connection gives back alike, so an outage must
not put a message back again and again (``bus_rabbitmq_consumer.py``).
"""


@dataclass(frozen=True)
class Queue:
    """A durable queue and what flows into it."""

    name: str
    service: ServiceName
    exchange: str
    routing_keys: tuple[str, ...]
    arguments: dict[str, Any]


def reader_queue(service: ServiceName, event_type: str) -> str:
    """Return the queue in which a service gets an event type."""
    noun, verb, _version = event_type.split(".")
    return f"{service}.{noun}.{verb}"


def dead_queue(service: ServiceName) -> str:
    """Return the queue that holds what a service could not handle."""
    return f"{service}.dead"


def hint_queue(service: ServiceName, replica: str) -> str:
    """Return the name of a replica's queue of hints."""
    return f"{service}.hints.{replica}"


def all_queues() -> list[Queue]:
    """Return every durable queue of the catalogue, those for dead letters first."""
    types: dict[tuple[ServiceName, str], list[str]] = {}
    for event in CATALOG.values():
        for service in event.readers:
            types.setdefault((service, reader_queue(service, event.name)), []).append(event.name)
    readers = sorted({service for service, _ in types})
    return [
        *(
            Queue(dead_queue(service), service, DEAD, (str(service),), _dead_arguments())
            for service in readers
        ),
        *(
            Queue(name, service, EVENTS, tuple(sorted(keys)), _reader_arguments(service))
            for (service, name), keys in sorted(types.items())
        ),
    ]


def _reader_arguments(service: ServiceName) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": str(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _dead_arguments() -> dict[str, Any]:
    # Whoever looks at a dead letter takes it up and puts it back, as often as they like.
    return {"x-queue-type": "quorum", "x-delivery-limit": -1}
