"""What must be true when a fault is over: API and engine tell what was promised."""

import time
from collections import Counter
from collections.abc import Callable

import httpx

from tests.stack.load import RUNNING, Load
from tests.stack.stack import Stack
from tests.system.client import Client


def differences(stack: Stack, client: Client, load: Load) -> tuple[str, ...]:
    """Compare what was promised with what the API says and what runs."""
    wrong = []
    running = Counter(pod.workload for pod in stack.pods())
    known = {server.id for server in load.servers}
    wrong += [f"orphan: a pod of {found}" for found in running.keys() - known]
    for server in load.servers:
        shown = client.show(server.id)
        status, why = shown["status"], shown["reason"] or shown["message"] or "no reason"
        pods, wanted = running[server.id], int(server.wanted == RUNNING)
        if status != server.wanted or pods != wanted:
            wrong.append(
                f"{server.id}: promised {server.wanted}, is {status} ({why}) with {pods} pods"
            )
    return tuple(wrong)


def converge(
    stack: Stack, client: Client, load: Load, *, seconds: float
) -> tuple[float, tuple[str, ...]]:
    """Wait until all agree; returns how long that took, and what was still wrong at the end."""
    began = time.monotonic()
    while True:
        try:
            wrong = differences(stack, client, load)
        except (httpx.HTTPError, AssertionError) as error:
            wrong = (f"nobody could be asked: {error}",)
        took = time.monotonic() - began
        if not wrong or took > seconds:
            return took, wrong
        time.sleep(0.5)


def until(fact: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait for a fact about the stack.

    Raises:
        AssertionError: it is not true in time.
    """
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
