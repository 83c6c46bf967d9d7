"""What the local backend learns by itself: that a shim ended, a step changed, a pod is ready.

A shim's end shows on its pidfd, also when it is not our child, without polling. Until a pod is
ready a task looks at its report and asks its port, every 50 ms at first; then nothing is asked any
more. All this only hints: the truth is read from the folders again.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from cassini.runtime.errors import BackendError
from services.provisioner.backends.hints import Hints
from services.provisioner.backends.local.attempt import Attempt
from services.provisioner.backends.local.probe import Answer, ask
from services.provisioner.backends.report import main_began_at
from services.provisioner.plan import PodName

_FAST_SECONDS = 0.05
_SLOW_SECONDS = 1.0
_SLOWER = 1.2
_FAST_FOR_SECONDS = 10.0

Look = Callable[[PodName], Attempt | None]
"""Reads an attempt from its folder; blocks."""


class Watch:
    """Follows the pods of one backend and hints at changes."""

    def __init__(self, look: Look, end_as_taken: Callable[[PodName], Awaitable[None]]) -> None:
        self._look = look
        self._end_as_taken = end_as_taken
        self._keepers: dict[PodName, int] = {}
        self._probes: dict[PodName, asyncio.Task[None]] = {}
        self._ready: set[PodName] = set()
        self._hints = Hints()

    def hint(self, name: PodName) -> None:
        """Tell all readers that a workload may have changed."""
        self._hints.give(name.workload_id)

    def changes(self) -> AsyncIterator[str]:
        """Return the hints from now on; they end with ``close``."""
        return self._hints.read()

    def is_ready(self, name: PodName) -> bool:
        """Tell whether a pod has answered since this backend follows it."""
        return name in self._ready

    def is_followed(self, name: PodName) -> bool:
        """Tell whether a shim of this pod is known to run."""
        return name in self._keepers

    def follow(self, name: PodName, pid: int) -> None:
        """Notice the end of a shim, and when its pod becomes ready; reap it if it is our child."""
        if name not in self._keepers:
            try:
                held = os.pidfd_open(pid)
            except ProcessLookupError:
                self.hint(name)
                return
            self._keepers[name] = held
            asyncio.get_running_loop().add_reader(held, self._ended, name, pid)
        if name not in self._ready and name not in self._probes:
            self._probes[name] = asyncio.create_task(self._probe(name), name=f"probe {name}")

    def _ended(self, name: PodName, pid: int) -> None:
        held = self._keepers.pop(name)
        asyncio.get_running_loop().remove_reader(held)
        os.close(held)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if task := self._probes.pop(name, None):
            task.cancel()
        self._ready.discard(name)
        self.hint(name)

    async def check(self, attempt: Attempt) -> None:
        """Ask a started pod that is not known to be ready once, now."""
        if not attempt.alive or main_began_at(attempt.steps) is None or self.is_ready(attempt.name):
            return
        answer = await self._ask(attempt)
        if answer is Answer.READY:
            self._ready.add(attempt.name)
        elif answer is Answer.STRANGER:
            await self._end_as_taken(attempt.name)

    async def _ask(self, attempt: Attempt) -> Answer:
        intent = attempt.intent
        if intent.probe_port is None or attempt.keeper is None:
            return Answer.READY
        port = intent.ports[str(intent.probe_port)]
        return await ask(intent.host, port, intent.probe_path, attempt.keeper)

    async def _probe(self, name: PodName) -> None:
        steps: object = ()
        began, delay = time.monotonic(), _FAST_SECONDS
        try:
            while not self.is_ready(name):
                with suppress(BackendError):  # whoever lists next is told
                    attempt = await asyncio.to_thread(self._look, name)
                    if attempt is None or not (attempt.alive or attempt.open):
                        return
                    if attempt.steps != steps:
                        steps, began, delay = attempt.steps, time.monotonic(), _FAST_SECONDS
                        self.hint(name)
                    await self.check(attempt)
                    if self.is_ready(name):
                        break
                if time.monotonic() - began > _FAST_FOR_SECONDS:
                    delay = min(delay * _SLOWER, _SLOW_SECONDS)
                await asyncio.sleep(delay)
            self.hint(name)
        finally:
            self._probes.pop(name, None)

    async def close(self) -> None:
        """Stop following; pods go on running."""
        tasks = list(self._probes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop = asyncio.get_running_loop()
        for held in self._keepers.values():
            loop.remove_reader(held)
            os.close(held)
        self._keepers.clear()
        self._hints.close()
