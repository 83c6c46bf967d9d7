"""What RabbitMQ is told of the services: filled in with the bus."""

from collections.abc import Mapping
from typing import Any


def definitions(_passwords: Mapping[str, str]) -> dict[str, Any]:
    """Return the definitions for users of these passwords."""
    return {}
