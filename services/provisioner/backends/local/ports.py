"""Which ports of this machine pods are given."""

import random
import socket
from contextlib import suppress

_PORTS = range(20_000, 32_768)
"""Below the ports that the kernel gives to outgoing connections."""
_ATTEMPTS = 200


def free_ports(count: int, host: str, taken: set[int]) -> list[int]:
    """Return ports that nobody listens on now and no other pod was promised.

    Raises:
        OSError: none was found.
    """
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return found
        port = random.choice(_PORTS)  # noqa: S311 - not a secret
        if port in taken or port in found:
            continue
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind((host, port))
            found.append(port)
    if len(found) == count:
        return found
    raise OSError(f"no free port on {host}")
