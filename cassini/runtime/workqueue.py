"""A queue of keys: de-duplicating, delaying, and never two workers on one key.

A key that is added while it waits stays one; added while it is worked on, it comes once more
afterwards. The queue is only a hint in memory: what must not be forgotten is a row's ``due_at``.
"""

import asyncio
import heapq
from itertools import count


class WorkQueue:
    """Keys to look at, each at its time."""

    def __init__(self) -> None:
        self._ready: dict[str, None] = {}
        self._delayed: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._working: set[str] = set()
        self._again: dict[str, float] = {}
        self._order = count()
        self._changed = asyncio.Condition()
        self._pulse: set[asyncio.Task[None]] = set()

    def add(self, key: str, *, after: float = 0.0) -> None:
        """Ask for a key to be looked at after so many seconds; the sooner of two wishes wins."""
        at = asyncio.get_running_loop().time() + max(after, 0.0)
        if key in self._working:
            self._again[key] = min(at, self._again.get(key, at))
        elif key not in self._ready:
            if after <= 0:
                self._due.pop(key, None)
                self._ready[key] = None
            elif at < self._due.get(key, float("inf")):
                self._due[key] = at
                heapq.heappush(self._delayed, (at, next(self._order), key))
        self._notify()

    async def take(self) -> str:
        """Wait for a key that is due and take it; give it back with ``done``."""
        async with self._changed:
            while True:
                soonest = self._promote()
                if self._ready:
                    key = next(iter(self._ready))
                    del self._ready[key]
                    self._working.add(key)
                    return key
                try:
                    async with asyncio.timeout_at(soonest):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def done(self, key: str) -> None:
        """The work on a key has ended; if it was asked for meanwhile, it comes again."""
        self._working.discard(key)
        at = self._again.pop(key, None)
        if at is not None:
            self.add(key, after=at - asyncio.get_running_loop().time())
        self._notify()

    def waiting(self) -> int:
        """Return how many keys are due and not worked on yet."""
        self._promote()
        return len(self._ready)

    async def join(self) -> None:
        """Wait until nothing is due now and nothing is worked on (delayed keys may wait)."""
        async with self._changed:
            self._promote()
            while self._ready or self._working:
                await self._changed.wait()

    def _promote(self) -> float | None:
        """Move what has become due to the ready keys; return when the next one will be."""
        now = asyncio.get_running_loop().time()
        while self._delayed:
            at, _, key = self._delayed[0]
            if self._due.get(key) != at:
                heapq.heappop(self._delayed)
            elif at <= now:
                heapq.heappop(self._delayed)
                del self._due[key]
                self._ready[key] = None
            else:
                return at
        return None

    def _notify(self) -> None:
        task = asyncio.ensure_future(self._wake_all())
        self._pulse.add(task)
        task.add_done_callback(self._pulse.discard)

    async def _wake_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()
