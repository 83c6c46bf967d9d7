"""An older backup of one service, or of the secret store, is put back while the others went on.

They meet again, API and engine agree, no home is lost, and a secret that is set anew arrives.
"""

import uuid
from contextlib import suppress

import pytest

from tests.stack.backups import STORE, put_back, save
from tests.stack.checks import until
from tests.stack.fixtures import STACK
from tests.stack.stack import SERVICES, Stack, run
from tests.system.client import Client
from tests.system.small_server import small_server

pytestmark = [*STACK]

MEET_SECONDS = 240.0
"""Pods without a wish are looked for, and looked at again, once a minute."""
SCRIPT = 'echo "$KEY" >>"$HOME/keys"\n'


class People:
    """Somebody's servers, named by what is done with them, and a secret that all are given."""

    def __init__(self, stack: Stack, client: Client) -> None:
        self._stack, self._client = stack, client
        self._run = uuid.uuid4().hex[:6]
        body = {"name": f"key-{self._run}", "value": "first"}
        self.secret = client.ask("POST", "/api/secrets", body, status=201)["id"]
        self.ids: dict[str, str] = {}

    def create(self, *names: str) -> None:
        for name in names:
            fields = small_server() | {"start_script": SCRIPT}
            id_ = self.ids[name] = self._client.create(f"{name}-{self._run}", **fields)
            attach = {"location": "KEY", "attachment_type": "environment_variable"}
            attach |= {"secret_id": self.secret}
            self._client.ask("POST", f"/api/workspaces/{id_}/secrets", attach, status=201)

    def do(self, verb: str, *names: str) -> None:
        for name in names:
            self._client.do(verb, self.ids[name])
        for name in names:
            reached = "stopped" if verb == "stop" else "running"
            self._client.wait_for(self.ids[name], reached)

    def statuses(self) -> dict[str, str]:
        """Return the status of each server as the API tells it; ``gone`` where it has none."""
        told = {}
        for name, id_ in self.ids.items():
            answer = self._client.http.get(f"/api/workspaces/{id_}")
            told[name] = "gone" if answer.status_code == 404 else answer.json()["status"]
        return told

    def pods(self) -> dict[str, int]:
        """Return how many containers of each server run."""
        found = [pod.workload for pod in self._stack.pods()]
        return {name: found.count(id_) for name, id_ in self.ids.items()}

    def keys(self, name: str) -> list[str]:
        """Return the values that a server's starts were given, as its home tells."""
        labels = (f"cassini.workload={self.ids[name]}", "cassini.kind=home")
        filters = [word for each in labels for word in ("--filter", f"label={each}")]
        volume = run("docker", "volume", "ls", "--quiet", *filters).strip()
        look = ("--rm", "--volume", f"{volume}:/look:ro", "--entrypoint", "cat", self._stack.image)
        return run("docker", "run", *look, "/look/keys").split()


@pytest.mark.parametrize("what", [*SERVICES, STORE])
def test_an_older_backup_of_one_of_them_is_put_back(stack, admin, tmp_path, what):
    people = People(stack, admin)
    people.create("left", "stopped-since", "started-since", "deleted-since")
    people.do("start", "left", "stopped-since", "deleted-since")
    save(stack, tmp_path)
    people.do("stop", "stopped-since")
    people.do("start", "started-since")
    admin.delete(people.ids["deleted-since"])
    people.create("made-since")
    people.do("start", "made-since")
    admin.ask("PATCH", f"/api/secrets/{people.secret}", {"value": "second"})
    people.do("restart", "left")
    assert ["first", "second"] == people.keys("left")

    put_back(stack, tmp_path, what)

    running, stopped, gone = ("running", 1), ("stopped", 0), ("gone", 0)
    met = {
        "left": running,
        "stopped-since": running if what == "api" else stopped,
        "started-since": stopped if what == "api" else running,
        "deleted-since": running if what == "api" else gone,
        "made-since": gone if what == "api" else running,
    }

    def told():
        pods = people.pods()
        return {name: (status, pods[name]) for name, status in people.statuses().items()}

    with suppress(AssertionError):  # what is not met is said by the next line
        until(lambda: told() == met, "they meet", seconds=MEET_SECONDS)
    assert met == told()
    admin.ask("PATCH", f"/api/secrets/{people.secret}", {"value": "third"})
    people.do("restart", "left")
    assert "third" == people.keys("left")[-1]
    assert "first" == people.keys("left")[0]
    assert people.keys("started-since")
    assert people.keys("made-since")
    if what == "api":
        assert people.keys("deleted-since")
        assert people.ids["made-since"] in stack.cassini("admin", "strays")
