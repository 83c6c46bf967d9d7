"""The clients' environment: nothing of ours is in it, and nothing goes out of it."""

import json

import pytest

from tests.clients.environment import HERE, Clients

pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]

EXIT_CODE = 97
"""The guard's own; it is not imported, for it would guard the tests' process as well."""


@pytest.fixture
def alone(environment, tmp_path):
    return Clients(environment, tmp_path, "http://localhost:1", "no token")


def test_the_programs_see_what_a_person_sets_and_nothing_else(alone):
    ended = alone.run("python", "-c", "import json, os; print(json.dumps(list(os.environ)))")
    shell, theirs = {"PATH", "HOME", "LANG"}, {"SATURN_BASE_URL", "SATURN_TOKEN"}
    assert shell | theirs == set(json.loads(ended.out)) - {"LC_CTYPE"}


def test_nothing_of_ours_is_installed_beside_the_clients(alone):
    ended = alone.run("python", "-c", "import saturn_client, services")
    assert "No module named 'services'" in ended.err


@pytest.mark.parametrize(
    "call",
    [
        "import requests; requests.get('http://192.0.2.1')",
        "import requests; requests.get('http://clients.invalid')",
        "import httpx; httpx.get('http://192.0.2.1')",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))",
    ],
)
def test_a_program_that_turns_to_another_machine_is_ended(alone, call):
    ended = alone.run("python", "-c", f"try:\n    {call}\nexcept BaseException:\n    pass")
    assert EXIT_CODE == ended.code
    assert "turned to another machine" in ended.err


def test_the_lock_is_of_what_is_asked_for():
    """``make client-locks`` was run after the last change of requirements.in."""
    asked = [line for line in (HERE / "requirements.in").read_text().split("\n") if line]
    locked = (HERE / "requirements.txt").read_text()
    for package in (line for line in asked if not line.startswith("#")):
        assert f"\n{package}==" in locked
