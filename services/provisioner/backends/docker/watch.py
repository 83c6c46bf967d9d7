"""Hints of the Docker backend: the engine's events, and what starting pods say.

The engine is asked for its events a minute at a time, so that a connection that died silently is
noticed. Whenever it was away, every workload is hinted at, for what was missed. A starting pod is
followed by a command inside it (``inside/follow.py``), which tells what stands written there: its
steps, and that it answered. As long as it speaks here, nobody needs to read that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import structlog

from cassini.runtime.errors import BackendError
from services.provisioner.backends.docker import inside
from services.provisioner.backends.docker.engine import Engine
from services.provisioner.backends.docker.facts import Speech, Written
from services.provisioner.backends.docker.names import PROBE, WORKLOAD, Names
from services.provisioner.backends.docker.streams import Command, open_events
from services.provisioner.backends.hints import Hints

_EVENTS = ["create", "start", "die", "oom", "destroy", "pause", "unpause", "rename"]
_BEGINNINGS = frozenset({"create", "start"})
_WINDOW_SECONDS, _PATIENCE_SECONDS = 60, 75
_OVERLAP_SECONDS = 2
_BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)
_DELIVERED = "delivered"

_log = structlog.get_logger(__name__)


class Watch:
    """Follows one installation's pods.

    ``changed`` is told ids of containers of which something happened (None: of all of them), and
    ``told`` what stands in one that starts, before whoever reads the hints is; ``workloads`` lists
    all that have pods.
    """

    def __init__(
        self,
        engine: Engine,
        names: Names,
        changed: Callable[[str | None], None],
        told: Callable[[str, Written], None],
        workloads: Callable[[], Awaitable[Iterable[str]]],
    ) -> None:
        self._engine = engine
        self._names = names
        self._changed = changed
        self._told = told
        self._workloads = workloads
        self._hints = Hints()
        self._listening: asyncio.Task[None] | None = None
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._delivering: set[str] = set()
        self._settling: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Start to listen."""
        self._listening = asyncio.create_task(self._listen(), name="docker events")

    async def close(self) -> None:
        """Stop listening; pods go on."""
        tasks = [
            *self._followers.values(),
            *self._settling,
            *filter(None, (self._listening,)),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._hints.close()

    def changes(self) -> AsyncIterator[str]:
        """Return the hints from now on; they end with ``close``."""
        return self._hints.read()

    def hint(self, workload_id: str) -> None:
        """Tell all readers that a workload may have changed."""
        self._hints.give(workload_id)

    def is_delivering(self, container: str) -> bool:
        """Tell whether values are on their way to a container."""
        return container in self._delivering

    async def deliver(self, container: str, labels: Mapping[str, str], values: bytes) -> None:
        """Hand values to a pod that waits for them, and follow its start.

        Raises:
            BackendError: they did not reach it.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._delivering.add(container)
        try:
            await self._end_follower(container)
            self._begin(container, labels, values, told)
            await told
        finally:
            self._delivering.discard(container)

    def follow(self, container: str, labels: Mapping[str, str]) -> None:
        """Follow a pod that begun and is not ready, if nobody here does."""
        if container not in self._followers and container not in self._delivering:
            self._begin(container, labels, b"", None)

    async def _end_follower(self, container: str) -> None:
        if follower := self._followers.get(container):
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    def _begin(
        self,
        container: str,
        labels: Mapping[str, str],
        values: bytes,
        told: asyncio.Future[None] | None,
    ) -> None:
        port, _, path = labels.get(PROBE, "").partition(" ")
        command = (*inside.DELIVER, str(len(values)), port or "-", path or "-")
        task = asyncio.create_task(
            self._follow(container, labels[WORKLOAD], command, values or b"\n", told),
            name=f"follow {container[:12]}",
        )
        self._followers[container] = task

    async def _follow(
        self,
        container: str,
        workload_id: str,
        command: tuple[str, ...],
        said: bytes,
        told: asyncio.Future[None] | None,
    ) -> None:
        error: BackendError | None = None
        speech = Speech()
        try:
            command_runs = self._engine.stream(
                lambda client: Command(client, container, command, said)
            )
            async with aclosing(command_runs) as lines:
                async for line in lines:
                    if line == _DELIVERED:
                        if told is not None and not told.done():
                            told.set_result(None)
                        continue
                    self._told(container, speech.heard(line))
                    self.hint(workload_id)
        except BackendError as problem:
            error = problem
        finally:
            if not speech.ready:
                self._changed(container)
            if self._followers.get(container) is asyncio.current_task():
                del self._followers[container]
            if told is not None and not told.done():
                told.set_exception(error or BackendError("The pod ended while it was prepared."))

    async def _listen(self) -> None:
        failures, since = 0, int(time.time())
        behind = True
        while True:
            try:
                if behind:
                    self._changed(None)
                    for workload_id in await self._workloads():
                        self.hint(workload_id)
                until = int(time.time()) + _WINDOW_SECONDS
                behind, failures = False, 0
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._hear(since - _OVERLAP_SECONDS, until)
                behind = time.time() < until - 1  # it ended before its time
                since = until
            except (BackendError, TimeoutError) as error:
                behind = True
                if not failures:
                    _log.warning("the Docker engine's events cannot be heard", error=str(error))
                since = int(time.time())
                failures += 1
            if behind:
                await asyncio.sleep(_BACK_OFF[min(failures, len(_BACK_OFF) - 1)])

    async def _hear(self, since: int, until: int) -> None:
        filters = {"type": "container", "event": _EVENTS, "label": self._names.selector("pod")}
        events = self._engine.stream(
            lambda client: open_events(client, since=since, until=until, filters=filters)
        )
        async with aclosing(events) as heard:
            async for event in heard:
                self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        actor = event["Actor"]
        workload_id, begins = actor["Attributes"][WORKLOAD], event["Action"] in _BEGINNINGS
        task = asyncio.create_task(self._settle(actor["ID"], workload_id, begins=begins))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, container: str, workload_id: str, *, begins: bool) -> None:
        """Hint when the engine's list tells it: it says that a container died before it notes it.

        It answers about one container only when it has done with it. A beginning outdates nothing
        that is known: what was known of the container before is of another state of it.
        """
        with suppress(BackendError):
            await self._engine.call(lambda client: client.inspect_container(container))
        if not begins:
            self._changed(container)
        self.hint(workload_id)
