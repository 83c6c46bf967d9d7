"""Who uses the stack, and how it is left for the next file."""

from collections.abc import Iterator

import pytest

from tests.clients.environment import Clients
from tests.clients.platforms import empty
from tests.system.client import Client


@pytest.fixture(scope="module")
def admin(stack) -> Iterator[Client]:
    """The admin; what a file made is deleted at its end."""
    client = stack.client()
    yield client
    empty(client)


@pytest.fixture(scope="module")
def clients(environment, stack, admin, tmp_path_factory) -> Clients:
    """The admin's official clients."""
    return Clients(environment, tmp_path_factory.mktemp("home"), stack.url, admin.token)
