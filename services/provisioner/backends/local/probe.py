"""Whether a pod answers, and whether it is the pod that answers."""

import asyncio
import re
from enum import Enum, auto

from services.provisioner.backends.local.listening import listeners, listens

_TIMEOUT_SECONDS = 2.0
_SERVER_ERROR = 500
_LOOKS = 3
"""One look at the process table can miss a process whose parent ends under it."""
_LOOK_SECONDS = 0.05
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})\b")


class Answer(Enum):
    """What came back."""

    NONE = auto()
    READY = auto()
    STRANGER = auto()
    """Somebody else listens on the pod's port."""


async def ask(host: str, port: int, path: str, keeper: int) -> Answer:
    """Ask for a path on the pod's port; ``keeper`` is the pid of the pod's shim."""
    if not await _answers(host, port, path):
        return Answer.NONE
    for _ in range(_LOOKS):
        if await asyncio.to_thread(listens, keeper, port):
            return Answer.READY
        await asyncio.sleep(_LOOK_SECONDS)
    foreign = await asyncio.to_thread(listeners, port)
    return Answer.STRANGER if foreign else Answer.NONE


async def _answers(host: str, port: int, path: str) -> bool:
    """Tell whether any status below 500 comes back."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode())
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError):
        return False
    match = _STATUS_LINE.match(line)
    return match is not None and int(match[1]) < _SERVER_ERROR
