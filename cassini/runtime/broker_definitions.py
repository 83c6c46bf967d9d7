"""RabbitMQ's definitions: the virtual host, its users with their rights, and the topology.

A service's user may publish only the types the catalogue lists it as writer of, read only its own
queues, and give up only its own messages. So it cannot declare another's queue either: the
exchanges and all queues stand in the definitions. The one administrator may do everything in the
virtual host. A broker loads them at its start (``load_definitions``) or by its management API.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cassini.contracts.catalog import CATALOG
from cassini.contracts.resources import ServiceName
from cassini.runtime.broker_topology import DEAD, EVENTS, all_queues

ADMINISTRATOR = "cassini-admin"
_ANY, _NONE = ".*", "^$"


def broker_definitions(
    passwords: Mapping[ServiceName, str],
    *,
    administrator_password: str,
    salt: Callable[[], bytes],
    vhost: str = "cassini",
) -> dict[str, Any]:
    """Return the definitions as JSON values; each user is named as its service.

    ``salt`` gives four random bytes at each call (``lambda: os.urandom(4)``).
    """
    users = [_user(str(name), password, salt()) for name, password in sorted(passwords.items())]
    administrator = _user(ADMINISTRATOR, administrator_password, salt())
    everything = {"user": ADMINISTRATOR, "vhost": vhost}
    return {
        "vhosts": [{"name": vhost, "default_queue_type": "quorum"}],
        "users": [*users, administrator | {"tags": ["administrator"]}],
        "permissions": [
            *(_permission(name) | {"vhost": vhost} for name in sorted(passwords)),
            everything | {"configure": _ANY, "write": _ANY, "read": _ANY},
        ],
        "topic_permissions": [
            each | {"vhost": vhost}
            for name in sorted(passwords)
            for each in _topic_permissions(name)
        ],
        **_topology(vhost),
    }


def _topology(vhost: str) -> dict[str, Any]:
    """Return exchanges, queues and bindings."""
    lasting = {"vhost": vhost, "durable": True, "auto_delete": False}
    topic = lasting | {"type": "topic", "internal": False, "arguments": {}}
    queues = all_queues()
    return {
        "exchanges": [topic | {"name": name} for name in (EVENTS, DEAD)],
        "queues": [lasting | {"name": each.name, "arguments": each.arguments} for each in queues],
        "bindings": [
            {
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for queue in queues
            for key in queue.routing_keys
        ],
    }


def password_hash(password: str, salt: bytes) -> str:
    """Return RabbitMQ's salted SHA-256 of a password (``rabbit_password_hashing_sha256``)."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _user(name: str, password: str, salt: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash(password, salt),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def _permission(service: ServiceName) -> dict[str, str]:
    """Return what a service may do with exchanges and queues.

    To bind its own queue it needs to write to it and to read the exchange.
    """
    own = rf"{re.escape(service)}\..*"
    events, dead = re.escape(EVENTS), re.escape(DEAD)
    return {
        "user": str(service),
        "configure": f"^({own})$",
        "write": f"^({own}|{events}|{dead})$",
        "read": f"^({own}|{events}|{dead})$",
    }


def _topic_permissions(service: ServiceName) -> list[dict[str, str]]:
    events = CATALOG.values()
    written = [each.name for each in events if service in each.writers]
    read = [each.name for each in events if service in each.readers | each.listeners]
    return [
        {
            "user": str(service),
            "exchange": EVENTS,
            "write": _one_of(written),
            "read": _one_of(read),
        },
        {
            "user": str(service),
            "exchange": DEAD,
            "write": _one_of([service]),
            "read": _one_of([service]),
        },
    ]


def _one_of(keys: Iterable[str]) -> str:
    words = "|".join(re.escape(key) for key in sorted(keys))
    return f"^({words})$" if words else _NONE
