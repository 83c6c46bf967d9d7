"""Calls of the backend, each with an end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from cassini.runtime.errors import BackendError
from cassini.runtime.tracing import traced

T = TypeVar("T")

CALL_SECONDS = 60.0


async def in_time(call: Awaitable[T]) -> T:
    """Wait for a call of the backend.

    Raises:
        BackendError: it did not answer in time, or says so itself.
    """
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await traced(call)
    except TimeoutError:
        raise BackendError(f"The backend did not answer within {CALL_SECONDS:.0f} s.") from None
