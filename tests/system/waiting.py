"""Waiting for a fact with a deadline, in tests that have no event loop."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(fact: Callable[[], T], what: str, *, seconds: float = 30.0, every: float = 0.05) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := fact()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s, but {answer!r}"
        time.sleep(every)
    return answer
