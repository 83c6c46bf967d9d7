"""A platform and the official clients, each in a process of its own, for whole files of tests."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.environment import Clients, make_environment
from tests.clients.remote import Library, program
from tests.conftest import missing
from tests.system.client import Client

pytest.register_assert_rewrite("tests.clients.walks")


@pytest.fixture(scope="session")
def environment(request) -> Path:
    """The official clients, installed once for many runs."""
    try:
        return make_environment(request.config.cache.mkdir("clients"))
    except subprocess.CalledProcessError as error:
        missing("clients", f"they cannot be installed: {error.stderr.strip()}")


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
    (found,) = http.ask("GET", "/api/images")["images"]
    (tag,) = http.ask("GET", f"/api/images/{found['id']}/tags")["image_tags"]
    return f"{found['owner']['name']}/{found['name']}:{tag['version']}"
