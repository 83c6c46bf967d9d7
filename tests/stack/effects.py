"""What must be true when the drill is over: each accepted request has had exactly one effect.

Three stories are compared: the wishes of the api, the rows of the provisioner, and what the engine
has (containers, networks, homes). What was on its way for a moment is looked at again.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence

from tests.stack.load import RUNNING, STOPPED, Load
from tests.stack.recorder import Life, overlaps, repetitions
from tests.stack.stack import SERVICES, WORKLOAD_LABEL, Stack

_SETTLE_SECONDS = 30.0


def effects(stack: Stack, load: Load, lives: Sequence[Life]) -> list[str]:
    """Return all that is wrong when everything has converged."""
    wrong = [
        *load.problems(),
        *overlaps(lives),
        *repetitions(lives, stack.ended_by_us, stack.engine_restarts),
        *_revisions(stack, load, lives),
        *_unheard(load, lives),
    ]
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (left := [*_on_the_way(stack), *_rows(stack, load), *_objects(stack, load)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(1)
    return wrong + left


def _on_the_way(stack: Stack) -> list[str]:
    """Events that were not sent, and messages that nobody took, dead letters among them."""
    counts = " UNION ALL ".join(
        f"SELECT '{name}', state, count(*) FROM {name}.outbox GROUP BY state" for name in SERVICES
    )
    wrong = [f"{count} events of {name} are {state}" for name, state, count in stack.sql(counts)]
    for line in stack.rabbitmqctl("list_queues", "-p", "cassini", "name", "messages").splitlines():
        name, _, count = line.partition("\t")
        if count not in {"0", "messages", ""}:
            wrong.append(f"{count} messages in {name}")
    return wrong


def _revisions(stack: Stack, load: Load, lives: Sequence[Life]) -> list[str]:
    """Every accepted request has raised the revision, no request twice, and none ran unasked."""
    rows = stack.sql("SELECT id, revision FROM api.declaration WHERE noun = 'workload'")
    revisions = {id_: int(revision) for id_, revision in rows}
    wrong = []
    for server in load.servers:
        accepted = sum(verb != "stop" for _, verb in server.accepted)
        found = revisions.get(server.id, 0)
        if not accepted <= found <= server.asked:
            wrong.append(
                f"{server.id}: {found} revisions of {accepted} accepted and {server.asked} asked"
            )
    return wrong + [
        f"{life.workload}: revision {life.revision} ran, which nobody wished for"
        for life in lives
        if life.revision > revisions.get(life.workload, 0)
    ]


def _unheard(load: Load, lives: Sequence[Life]) -> list[str]:
    """What runs now was seen to begin, or what else was heard says nothing."""
    running = {life.workload for life in lives if life.ended is None}
    return [
        f"{server.id}: the engine was not heard to start it"
        for server in load.servers
        if server.wanted == RUNNING and server.id not in running
    ]


def _rows(stack: Stack, load: Load) -> list[str]:
    """The api's wish, the provisioner's row and the containers have the same numbers."""
    rows = stack.sql(
        "SELECT wished.id, wished.wish->>'wanted', wished.generation, wished.revision,"
        " owned.generation, owned.fact->>'generation', owned.fact->>'status', owned.leases"
        " FROM api.declaration wished LEFT JOIN provisioner.workload owned USING (id)"
        " WHERE noun = 'workload'"
    )
    pods = {pod.workload: pod for pod in stack.pods()}
    wrong = []
    known = set()
    for id_, wanted, generation, revision, accepted, observed, status, leases in rows:
        known.add(id_)
        if not generation == accepted == observed or wanted != status:
            wrong.append(
                f"{id_}: wish {generation} is {wanted}, row {accepted}, fact {observed} is {status}"
            )
        pod = pods.get(id_)
        ran = None if pod is None else str(pod.revision)
        if ran != (revision if wanted == RUNNING else None):
            wrong.append(f"{id_}: revision {revision} is {wanted}, the engine has {ran}")
        if json.loads(leases or "[]") and wanted == STOPPED:
            wrong.append(f"{id_}: is stopped and keeps the leases of {leases}")
    asked = {server.id for server in load.servers if server.accepted}
    return wrong + [f"{id_}: no wish is known" for id_ in sorted(asked - known)]


def _objects(stack: Stack, load: Load) -> list[str]:
    """Containers and networks are those of running servers; every home is there, once."""
    running = Counter(server.id for server in load.servers if server.wanted == RUNNING)
    containers = Counter(pod.workload for pod in stack.pods(every=True))
    networks = Counter(each[WORKLOAD_LABEL] for each in stack.labels("network", "network"))
    known = {server.id for server in load.servers}  # homes of deleted ones are in the trash
    homes = Counter(
        each[WORKLOAD_LABEL]
        for each in stack.labels("volume", "home")
        if each[WORKLOAD_LABEL] in known
    )
    homed = Counter(server.id for server in load.servers if server.accepted)
    return [
        f"{server}: {found[server]} {what} instead of {wanted[server]}"
        for what, found, wanted in (
            ("containers", containers, running),
            ("networks", networks, running),
            ("homes", homes, homed),
        )
        for server in sorted(found.keys() | wanted.keys())
        if found[server] != wanted[server]
    ]
