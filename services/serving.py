"""Serving HTTP on a socket that was bound before anything started."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from cassini.runtime.errors import Conflict, Invalid

_STOP_SECONDS = 5


def bind(host: str, port: int) -> socket.socket:
    """Bind an address.

    Raises:
        Conflict: the port is taken.
        Invalid: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, so that asyncio sends each answer at once: without that, an answer on a kept
    # connection waits 40 ms for the acknowledgement of its headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} on {host} is taken by another program; give Cassini another one "
                "with --port or CASSINI_PORT",
                code="port_taken",
            ) from None
        raise Invalid(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


class Server:
    """Answers on a socket from now on, until ``stop``."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        """Take no more requests and let those under way end."""
        self._server.should_exit = True
        await self._serving


class _QuietServer(uvicorn.Server):
    """Leaves the signals to the platform, which has more to stop than HTTP."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
