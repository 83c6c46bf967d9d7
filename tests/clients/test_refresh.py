"""Tokens that expire: ``sc`` gets new ones by itself, and a lost answer locks nobody out."""

import pytest

from tests.clients.environment import Clients
from tests.clients.printed import refusal, table
from tests.clients.proxy import proxy_to
from tests.system.client import Client
from tests.system.waiting import until

pytestmark = [
    pytest.mark.clients,
    pytest.mark.jupyter,
    pytest.mark.timeout(600),
]

LIFE_SECONDS = 3
"""Of an access token: soon over, but long enough for the call after a refresh."""
TOKENS, REFRESH = "/api/tokens", "/api/auth/token"


@pytest.fixture(scope="module")
def expired(http, platform):
    """Gives tokens that have expired and can be refreshed, made together to wait once."""
    body = {"expires_in": LIFE_SECONDS, "refresh_expires_in": 3600}
    made = [http.ask("POST", TOKENS, body, status=201) for _ in range(5)]
    for tokens in made:
        until(lambda tokens=tokens: _status(platform, tokens) == 401, "the end of a token")
    return made.pop


def _status(platform, tokens):
    return Client(platform.url, tokens["access_token"]).http.get("/api/user").status_code


def _refresh(platform, refresh_token):
    grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return Client(platform.url, "").ask("POST", REFRESH, grant)


@pytest.fixture
def proxy(platform):
    with proxy_to(platform.port) as proxy:
        yield proxy


def test_without_a_refresh_token_the_error_says_that_the_token_has_expired(clients_with, expired):
    said = refusal(clients_with(expired()["access_token"]).sc_fails("list", "workspace"))
    assert "expired" in said["message"]


def test_sc_refreshes_an_expired_token_by_itself(clients_with, http, expired):
    http.create("seen-after-refresh")
    tokens = expired()
    theirs = clients_with(tokens["access_token"], tokens["refresh_token"])
    assert ["seen-after-refresh"] == [row["name"] for row in table(theirs.sc("list", "workspace"))]


def test_sc_that_forgot_the_new_tokens_gets_others(clients_with, expired):
    """Each command reads the variables anew, so the second one shows the used token again."""
    tokens = expired()
    theirs = clients_with(tokens["access_token"], tokens["refresh_token"])
    for _ in range(2):
        theirs.sc("list", "workspace")


def test_an_answer_that_is_lost_locks_nobody_out(environment, tmp_path, proxy, expired):
    tokens = expired()
    theirs = Clients(
        environment, tmp_path, proxy.url, tokens["access_token"], tokens["refresh_token"]
    )
    proxy.lose = f"POST {REFRESH} ".encode()
    cut = theirs.run("sc", "list", "workspace")
    assert cut.code != 0
    assert "without response" in cut.err
    (lost,) = proxy.lost
    assert lost.startswith(b"HTTP/1.1 200 ")

    proxy.lose = None
    assert "resource_type" in theirs.sc("list", "workspace")


def test_a_replay_after_the_successor_was_used_ends_the_family(clients_with, platform, expired):
    first = expired()
    second = _refresh(platform, first["refresh_token"])
    third = _refresh(platform, second["refresh_token"])
    owner = clients_with(third["access_token"], third["refresh_token"])
    owner.sc("list", "workspace")

    thief = clients_with(first["access_token"], first["refresh_token"])
    assert "expired" in refusal(thief.sc_fails("list", "workspace"))["message"]
    assert 401 == _status(platform, third)
    for each in (owner, thief):
        said = refusal(each.sc_fails("list", "workspace"))["message"]
        assert "revoked: make a new one" in said
        assert "expired" not in said
