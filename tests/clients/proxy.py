"""A proxy between a client and the platform that loses answers when it is told to."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65536
_SECONDS = 30.0


class Proxy(socketserver.ThreadingTCPServer):
    """Passes on what comes, but an answer to what begins with ``lose`` never arrives."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.url = f"http://localhost:{self.server_address[1]}"
        self.platform_port = port
        self.lose: bytes | None = None
        self.lost: list[bytes] = []
        """The answers that the platform gave and nobody got."""


class _Connection(socketserver.BaseRequestHandler):
    """One connection of a client, and one of ours to the platform."""

    def handle(self) -> None:
        proxy: Proxy = self.server
        first = self.request.recv(_PIECE)
        with (
            suppress(OSError),  # either side may leave when it likes
            socket.create_connection(("localhost", proxy.platform_port), _SECONDS) as platform,
        ):
            platform.sendall(first)
            pump = threading.Thread(target=_pass_on, args=(self.request, platform), daemon=True)
            pump.start()
            if proxy.lose is not None and first.startswith(proxy.lose):
                proxy.lost.append(platform.recv(_PIECE))
                return
            _pass_on(platform, self.request)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Run a proxy to a port of this machine."""
    with Proxy(port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
