"""One builder at a time for one digest, across tasks, processes and crashes.

The lock is a ``flock``: it lasts as long as *any* process keeps the descriptor open. The
installer inherits it, so when the platform is killed and started again it waits until the
installer it left behind has ended too. Hence it is closed, never unlocked.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.builder.backends.base import LogSink

_POLL_SECONDS = 0.1


@asynccontextmanager
async def hold(path: Path, log: LogSink | None = None) -> AsyncIterator[int]:
    """Wait for the lock at ``path`` and keep it; yields the descriptor to pass on."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor):
            if log is not None:
                await log("This image is being built already: waiting for it.")
            while not _taken(descriptor):  # noqa: ASYNC110  # the kernel has no event for it
                await asyncio.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
