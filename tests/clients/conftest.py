"""A platform and the official clients, each in a process of its own, for whole files of tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.clients.environment import Clients
from tests.clients.platforms import AnyPlatform, built_in_image, empty
from tests.clients.remote import Library, program
from tests.stack.fixtures import STACK
from tests.system.client import Client
from tests.system.fixtures import platforms

pytest.register_assert_rewrite("tests.clients.walks")


EMBEDDED = (pytest.mark.xdist_group("jupyter"),)


@pytest.fixture(
    scope="module",
    params=[pytest.param("embedded", marks=EMBEDDED), pytest.param("stack", marks=STACK)],
)
def platform(request, tmp_path_factory) -> Iterator[AnyPlatform]:
    """A running platform for all tests of a file: ``cassini up``, then the distributed form."""
    if request.param == "embedded":
        home = request.getfixturevalue("built_home")
        with platforms(home, tmp_path_factory.mktemp("platform")) as start:
            yield start()
        return
    stack = request.getfixturevalue("stack")
    yield stack
    empty(stack.client())


@pytest.fixture(scope="module")
def clients_with(environment, platform, tmp_path_factory) -> Callable[..., Clients]:
    """Makes the clients of whom these tokens belong to."""

    def make(token: str, refresh_token: str | None = None) -> Clients:
        home = tmp_path_factory.mktemp("home")
        return Clients(environment, home, platform.url, token, refresh_token)

    return make


@pytest.fixture(scope="module")
def http(platform) -> Client:
    """The API without any client of theirs: to prepare, and to wait for facts."""
    return platform.client()


@pytest.fixture(scope="module")
def clients(http, clients_with) -> Clients:
    """The admin's clients."""
    return clients_with(http.token)


@pytest.fixture(scope="module")
def client_of(http, platform) -> Callable[[str], Client]:
    """The API as another user calls it, with a token that the admin made for them."""

    def make(user_id: str) -> Client:
        made = http.ask("POST", "/api/tokens", {"identity": {"user_id": user_id}}, status=201)
        return Client(platform.url, made["access_token"])

    return make


@pytest.fixture(scope="module")
def library(clients) -> Iterator[Library]:
    """The admin's ``SaturnConnection``."""
    with program(clients, "call_saturn_client.py") as running:
        yield Library(running)


@pytest.fixture(scope="module")
def image(http) -> str:
    """The built-in image, as a recipe names it: ``main/admin/cassini-python:0.1.0``."""
    return built_in_image(http)
