"""What a person at a terminal types and reads."""

import re

import pytest

from tests.system.client import Client
from tests.system.platform import READY, SIGN_IN, run_cassini

COMMANDS = ("up", "admin", "admin token", "admin sign-in-link", "admin user", "admin user add")


def says_on_failure(home, *words):
    """Run a command that must fail in one readable line, and return the line."""
    ended = run_cassini(home, *words)
    assert ended.returncode not in (0, None)
    assert "" == ended.stdout
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def code_of(link):
    return re.fullmatch(r"(http://\S+)/sign-in\?code=([\w-]{20,})", link).groups()


@pytest.mark.parametrize("command", ["", *COMMANDS, "events", "settings", "version"])
def test_every_command_explains_itself(home, command):
    ended = run_cassini(home, *command.split(), "--help")
    assert 0 == ended.returncode
    assert f"Usage: cassini {command}".strip() in ended.stdout
    assert [] == list(home.path.iterdir())


@pytest.mark.parametrize("command", ["admin token", "admin sign-in-link", "admin user add ann"])
def test_admin_commands_want_a_platform(home, command):
    assert f"there is no platform in {home.path} yet" in says_on_failure(home, *command.split())
    assert [] == list(home.path.iterdir())


def test_an_unknown_command_is_refused(home):
    ended = run_cassini(home, "down")
    assert 2 == ended.returncode
    assert "No such command" in ended.stderr


@pytest.mark.jupyter
@pytest.mark.xdist_group("jupyter")
@pytest.mark.timeout(600)
class TestWithAPlatform:
    def test_up_says_the_address_and_a_link_that_works(self, platform):
        address, link = platform.says(READY), platform.says(SIGN_IN)
        assert address == code_of(link)[0]
        assert str(platform.port) in address
        assert "one trust domain" in platform.out.read_text()
        assert 200 == Client(address, "").http.get("/health/ready").status_code

    def test_token_prints_a_token_and_nothing_else(self, platform):
        ended = run_cassini(platform.home, "admin", "token")
        assert 0 == ended.returncode
        assert "" == ended.stderr
        (line,) = ended.stdout.splitlines()
        assert ended.stdout == f"{line}\n"
        assert "admin" == Client(platform.url, line).ask("GET", "/api/user")["username"]

    def test_a_sign_in_link_works_once(self, platform):
        ended = run_cassini(platform.home, "admin", "sign-in-link")
        assert (0, "") == (ended.returncode, ended.stderr)
        address, code = code_of(ended.stdout.rstrip("\n"))
        assert platform.url == address
        http = Client(platform.url, "").http
        page = http.get(f"/sign-in?code={code}")
        assert "<button>Sign in</button>" in page.text
        signed_in = http.post("/sign-in", data={"code": code}, headers={"Origin": address})
        assert (303, "/") == (signed_in.status_code, signed_in.headers["location"])
        assert "admin" == http.get("/api/user").json()["username"]
        again = Client(platform.url, "").http
        refused = again.post("/sign-in", data={"code": code}, headers={"Origin": address})
        assert 401 == refused.status_code
        assert "was used already" in refused.text
        assert 204 == again.get("/api/user").status_code

    def test_a_second_user_is_made_with_a_word_about_trust(self, platform):
        ended = run_cassini(platform.home, "admin", "user", "add", "ann")
        assert (0, "") == (ended.returncode, ended.stderr)
        made, trust = ended.stdout.splitlines()
        assert "cassini admin sign-in-link --user ann" in made
        assert "one trust domain" in trust
        assert "ann" == platform.client("ann").ask("GET", "/api/user")["username"]
        link = run_cassini(platform.home, "admin", "sign-in-link", "--user", "ann").stdout
        assert platform.url == code_of(link.strip())[0]
        assert "'ann'" in says_on_failure(platform.home, "admin", "user", "add", "ann")

    @pytest.mark.parametrize("name", ["Ann", "../x", "", "admin"])
    def test_a_name_that_cannot_be_is_refused(self, platform, name):
        line = says_on_failure(platform.home, "admin", "user", "add", "--", name)
        assert line.startswith("cassini: ")

    @pytest.mark.parametrize("command", ["token", "sign-in-link"])
    def test_an_unknown_user_is_named(self, platform, command):
        line = says_on_failure(platform.home, "admin", command, "--user", "nobody")
        assert "there is no user 'nobody'" in line

    def test_a_platform_of_another_address_is_used_by_its_home(self, platform):
        ended = run_cassini(platform.home, "admin", "sign-in-link", CASSINI_PORT="1")
        assert platform.url == code_of(ended.stdout.strip())[0]
