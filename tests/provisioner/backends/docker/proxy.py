"""A door to the Docker engine that a test may shut: the engine itself is others' too."""

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit


class Door:
    """A unix socket that leads to the engine's while it is open."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = urlsplit(engine)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"unix://{self._path}"

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._connect, self._path)

    async def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._path.unlink()
            self._server = None
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        writers = [writer]
        try:
            if self._engine.scheme == "unix":
                there = await asyncio.open_unix_connection(self._engine.path)
            else:
                there = await asyncio.open_connection(self._engine.hostname, self._engine.port)
            writers.append(there[1])
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._connections.discard(task)


async def _copy(reader, writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
