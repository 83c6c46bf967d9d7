"""A TCP proxy that can go silent, or cut every connection."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """Stands between a client and a server."""

    def __init__(self, host, port):
        self._target = host, port
        self._writers = set()
        self._flows = asyncio.Event()
        self._answers = asyncio.Event()
        self._flows.set()
        self._answers.set()
        self.accepted = 0

    def freeze(self):
        """Let nothing through any more, on connections that stay open: a half-open socket."""
        self._flows.clear()

    def swallow_answers(self):
        """Let through what the client says, and hold back what the server answers."""
        self._answers.clear()

    def thaw(self):
        """Let everything through."""
        self._flows.set()
        self._answers.set()

    def cut(self):
        """Close every connection without a word."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.accepted += 1
        try:
            other_reader, other_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, other_writer}
        await asyncio.gather(
            self._pump(reader, other_writer),
            self._pump(other_reader, writer, self._answers),
            return_exceptions=True,
        )

    async def _pump(self, reader, writer, gate=None):
        try:
            while data := await reader.read(65536):
                await self._flows.wait()
                if gate is not None:
                    await gate.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            self._writers.discard(writer)


@asynccontextmanager
async def proxied(url):
    """Yield a proxy before an address, and the address by which it is reached."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}")
    finally:
        server.close()
        proxy.thaw()
        proxy.cut()
