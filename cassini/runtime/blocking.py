"""Calls of libraries that block: in threads of their own, each with a deadline.

The threads are a pool apart from asyncio's, which resolves names: calls that hang never hold that
up. A thread cannot be ended from outside. A call that is past its deadline and has not begun never
will; one that has begun runs on and its result is thrown away, so whoever calls may see it take
effect later and must be able to do the same again. Set the library's own timeout below the
deadline, so that threads come back. Whoever is cancelled while it waits does not wait for the call.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

from cassini.runtime.errors import BackendError

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_THREADS = 32


class Unanswered(BackendError):
    """A call was not over at its deadline."""

    code = "unanswered"


_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="blocking")


async def in_thread(
    function: Callable[[*Arguments], T],
    *args: *Arguments,
    seconds: float,
    what: str = "an outside system",
) -> T:
    """Return what ``function(*args)`` returns; ``what`` names who answers it, for people.

    Log context and other context variables are the caller's.

    Raises:
        Unanswered: it has not returned after so many seconds (a ``BackendError``).
        Exception: whatever the function raises.
    """
    call = partial(contextvars.copy_context().run, function, *args)
    called = _pool.submit(call)
    returned = asyncio.wrap_future(called)
    try:
        done, _ = await asyncio.wait({returned}, timeout=seconds)
    finally:
        called.cancel()  # at once: the loop would tell it of the other's end only later
        returned.cancel()
    if not done:
        raise Unanswered(f"{what} did not answer within {seconds:g} s")
    return returned.result()
