"""Small tools for subprocesses and threads that must not be left half done."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_READ_BYTES = 16 * 1024
_MAX_LINE_BYTES = 64 * 1024


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await work that a cancellation must not leave running: it ends first, then we do."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


async def end_group(process: Process) -> None:
    """Kill a process that leads a group of its own, and the group, unless it has ended."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await to_its_end(process.wait())


async def read_lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield lines as they come, however long; a carriage return ends one too."""
    pending = b""
    while data := await stream.read(_READ_BYTES):
        *lines, pending = (pending + data.replace(b"\r", b"\n")).split(b"\n")
        if len(pending) > _MAX_LINE_BYTES:
            lines, pending = [*lines, pending], b""
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace")
    if pending.strip():
        yield pending.decode(errors="replace")
