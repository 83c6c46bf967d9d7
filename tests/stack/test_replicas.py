"""Two of a service, one that dies, and none at all."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.stack.fixtures import STACK
from tests.stack.stack import run
from tests.system.small_server import small_server
from tests.system.waiting import until

pytestmark = [*STACK, pytest.mark.jupyter]

ANSWER_SECONDS = 30.0
ONE = {"api": 1, "provisioner": 1}


@pytest.fixture(scope="module")
def two(stack, admin) -> Iterator[None]:
    """Two containers of the api and of the provisioner; one of each again afterwards."""
    stack.scale(**dict.fromkeys(ONE, 2))
    yield
    stack.scale(**ONE)


@contextmanager
def asked_all_the_time(url: str, threads: int = 4) -> Iterator[Counter]:
    """Ask beside the block; counts the answers' statuses and the errors."""
    counted: Counter = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answer = httpx.get(f"{url}/api/status", timeout=ANSWER_SECONDS, trust_env=False)
                counted[answer.status_code] += 1
            except httpx.HTTPError as error:
                counted[repr(error)] += 1

    askers = [threading.Thread(target=ask) for _ in range(threads)]
    for asker in askers:
        asker.start()
    try:
        yield counted
    finally:
        over.set()
        for asker in askers:
            asker.join()


def answered_by_both(stack) -> bool:
    """Whether the gateway asks both containers of the api."""
    words = ("exec", "-T", "front", "getent", "ahosts", "api")
    return 2 == len({line.split()[0] for line in stack.compose(*words).splitlines()})


def test_requests_go_on_when_one_api_of_two_is_killed(stack, two):
    until(lambda: answered_by_both(stack), "two addresses of the api")
    killed, _other = stack.containers("api")
    with asked_all_the_time(stack.url) as counted:
        until(lambda: counted[200] > 50, "answers by both")
        run("docker", "kill", killed)
        before = counted[200]
        until(lambda: counted[200] > before + 50, "answers by the other one")
    assert {200} == counted.keys()


def test_the_public_port_stays_open_while_servers_come_and_go(stack, admin):
    """The gateway joins and leaves their networks; its published port is on none of these."""
    workspace = admin.create("comes-and-goes", **small_server())
    with asked_all_the_time(stack.url) as counted:
        for _ in range(2):
            admin.do("start", workspace)
            admin.wait_for(workspace, "running")
            admin.do("stop", workspace)
            admin.wait_for(workspace, "stopped")
    assert {200} == counted.keys()


def test_two_provisioners_start_each_server_once(stack, two, admin):
    made = [admin.create(f"small-{number}", **small_server()) for number in range(3)]
    for workspace in made[:2]:
        admin.do("start", workspace)
    for workspace in made[:2]:
        admin.wait_for(workspace, "running")
    killed, _other = stack.containers("provisioner")
    run("docker", "kill", killed)
    admin.do("start", made[2])
    admin.do("restart", made[0])
    for workspace in made:
        admin.wait_for(workspace, "running", seconds=90)
    assert dict.fromkeys(made, 1) == pods_of(stack, made)


def pods_of(stack, workspaces) -> dict[str, int]:
    """Return how many containers of each workspace run."""
    running = Counter(pod.workload for pod in stack.pods())
    return {workspace: running[workspace] for workspace in workspaces}


def test_without_an_api_the_front_says_so_in_json(stack, admin):
    stack.compose("kill", "api")
    try:
        until(lambda: 503 == httpx.get(f"{stack.url}/", trust_env=False).status_code, "503")
        answer = httpx.get(f"{stack.url}/api/status", timeout=ANSWER_SECONDS, trust_env=False)
    finally:
        stack.scale(**ONE)
    assert (503, "application/json") == (answer.status_code, answer.headers["Content-Type"])
    assert "5" == answer.headers["Retry-After"]
    said = json.loads(answer.text)
    assert "unavailable" == said["code"]
    assert "try again" in said["message"]
