"""Waiting for a fact, with a deadline, instead of sleeping for a guess."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    fact: Callable[[], T | Awaitable[T]], *, seconds: float = 10.0, every: float = 0.005
) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        TimeoutError: it was not true in time; the message holds the last answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        asked = fact()
        answer: T = await asked if inspect.isawaitable(asked) else asked
        if answer:
            return answer
        if loop.time() > deadline:
            raise TimeoutError(f"not so within {seconds} s; the last answer was {answer!r}")
        await asyncio.sleep(every)
