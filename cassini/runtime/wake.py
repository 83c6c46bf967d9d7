"""A wake-up call: an event that a loop waits for, with a time to give up waiting."""

import asyncio


class Wake:
    """Set by whoever has news, waited for by one loop; news that came meanwhile is not missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """There is news."""
        self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Return at the next call of ``set`` (or one since the last wait), or after a while."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
