"""What must be true when a fault is over: API, database and engine tell one story."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from tests.stack.load import RUNNING, Load
from tests.stack.stack import SERVICES, Stack
from tests.system.client import Client

POD = "cassini.workload"


@dataclass(frozen=True)
class Story:
    """What the API and the engine say of every server, and how it differs from the promise."""

    wrong: tuple[str, ...]


def look(stack: Stack, client: Client, load: Load) -> Story:
    """Compare what was promised with what the API says and what runs."""
    wrong = []
    running = Counter(_workload(pod) for pod in stack.pods())
    known = {server.id for server in load.servers}
    wrong += [f"orphan: a pod of {found}" for found in running.keys() - known]
    for server in load.servers:
        status = client.show(server.id)["status"]
        pods, wanted = running[server.id], int(server.wanted == RUNNING)
        if status != server.wanted or pods != wanted:
            wrong.append(f"{server.id}: promised {server.wanted}, is {status} with {pods} pods")
    return Story(tuple(wrong))


def converge(stack: Stack, client: Client, load: Load, *, seconds: float) -> tuple[float, Story]:
    """Wait until all agree; returns how long that took, and what was still wrong at the end."""
    began = time.monotonic()
    while True:
        try:
            story = look(stack, client, load)
        except (httpx.HTTPError, AssertionError) as error:
            story = Story((f"nobody could be asked: {error}",))
        took = time.monotonic() - began
        if not story.wrong or took > seconds:
            return took, story
        time.sleep(0.5)


def left_over(stack: Stack, load: Load) -> list[str]:
    """Return what no effect may leave behind: dead letters, unsent events, pods started twice."""
    wrong = []
    for service in SERVICES:
        for state, count in stack.sql(f"SELECT state, count(*) FROM {service}.outbox GROUP BY 1"):
            wrong.append(f"{count} events of {service} are {state}")
    for line in stack.rabbitmqctl("list_queues", "-p", "cassini", "name", "messages").splitlines():
        name, _, count = line.partition("\t")
        if count not in {"0", "messages", ""}:
            wrong.append(f"{count} messages in {name}")
    return wrong + _too_many_revisions(stack, load)


def _too_many_revisions(stack: Stack, load: Load) -> list[str]:
    """A request makes one revision at most, so there are no more than were asked for."""
    rows = stack.sql("SELECT id, revision FROM api.declaration WHERE noun = 'workload'")
    revisions = {id_: int(revision) for id_, revision in rows}
    return [
        f"{server.id}: {revisions[server.id]} revisions of {server.asked} requests"
        for server in load.servers
        if revisions.get(server.id, 0) > server.asked
    ]


def until(fact: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for a fact about the stack.

    Raises:
        AssertionError: it is not true in time.
    """
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)


def _workload(pod: dict[str, str]) -> str:
    labels = dict(each.partition("=")[::2] for each in pod["Labels"].split(","))
    return labels[POD]
