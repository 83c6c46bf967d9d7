"""Hints of a backend: ids of workloads whose pods may have changed, to whoever reads."""

import asyncio
from collections.abc import AsyncIterator


class Hints:
    """Hands each hint to all readers."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[str | None]] = set()

    def give(self, workload_id: str) -> None:
        """Tell all readers that a workload may have changed."""
        for reader in self._readers:
            reader.put_nowait(workload_id)

    def read(self) -> AsyncIterator[str]:
        """Return the hints from now on; they end with ``close``."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._readers.add(queue)
        return self._read(queue)

    def close(self) -> None:
        """End the reading of all readers."""
        for reader in tuple(self._readers):
            reader.put_nowait(None)

    async def _read(self, queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
        try:
            while (workload_id := await queue.get()) is not None:
                yield workload_id
        finally:
            self._readers.discard(queue)
