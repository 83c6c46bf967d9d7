"""Looking at pods: the engine's list, and of each container what is not in it.

A list is one call. What stands in a container is read besides: of one that starts each time, of one
that is ready or has ended once, until an event tells that something happened to it. Of one that is
followed from here it need not be read: the follower (``inside/follow.py``) says the same as it
comes, and a look into a container costs its start more than all else that is asked.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cassini.runtime.errors import BackendError
from services.provisioner.backends.base import Pod
from services.provisioner.backends.docker import inside
from services.provisioner.backends.docker.engine import Client, Engine, Refused
from services.provisioner.backends.docker.facts import (
    NOTHING,
    Container,
    Outcome,
    Written,
    ended_pod,
    read_written,
    running_pod,
    unstarted_pod,
)
from services.provisioner.backends.docker.names import Names
from services.provisioner.backends.docker.watch import Watch
from services.provisioner.plan import PodName

NOT_FOUND = 404
_NO_CONTAINER = "no such container"
_LARGEST_ARCHIVE = 512 * 1024
_AT_ONCE = 8
_GOING = frozenset({"removing", "dead"})
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Pods:
    """The pods of one installation, as they are seen."""

    def __init__(self, engine: Engine, names: Names) -> None:
        self._engine = engine
        self._names = names
        self._known: dict[str, tuple[str, Written, Outcome | None]] = {}
        """Container id -> its state and what is known of it in that state."""
        self._told: dict[str, Written] = {}
        """What followers said of containers that run."""
        self._news = 0
        self._readers = asyncio.Semaphore(_AT_ONCE)

    def changed(self, container: str | None) -> None:
        """Forget what is known of a container, or of all."""
        self._news += 1
        if container is None:
            self._known.clear()
            self._told.clear()
        else:
            self._known.pop(container, None)
            self._told.pop(container, None)

    def told(self, container: str, written: Written) -> None:
        """Take what a follower said that stands in a container which runs."""
        self.changed(container)
        self._told[container] = written

    async def containers(self, workload_id: str | None = None) -> list[Container]:
        """Return all containers of the installation, or of one workload."""
        selector = self._names.selector("pod", workload_id)
        records: Sequence[Mapping[str, Any]] = await self._engine.call(
            lambda client: client.containers(all=True, filters={"label": selector})
        )
        return [Container.listed(record) for record in records]

    async def find(self, name: PodName) -> str | None:
        """Return the id of a pod's container, None if there is none."""
        called = self._names.container(name)
        try:
            record = await self._engine.call(lambda client: client.inspect_container(called))
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        if not self._names.is_ours(record["Config"]["Labels"]):
            raise BackendError(f"There is a container {called} that is not of this installation.")
        return str(record["Id"])

    async def look(self, container: Container, watch: Watch) -> Pod | None:
        """Return a pod; None if it went meanwhile.

        Raises:
            BackendError: it cannot be looked at.
        """
        try:
            written, outcome = await self._facts(container)
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        delivering = watch.is_delivering(container.id)
        try:
            if outcome is None:
                return running_pod(container, written, delivering=delivering)
            if container.state == "created":
                return unstarted_pod(container, written, outcome, delivering=delivering)
            return ended_pod(container, written, outcome, self._boot())
        except ValueError as error:
            raise BackendError(f"The labels of container {container.id[:12]}: {error}") from error

    async def written(self, container: str) -> Written:
        """Return what stands in a container.

        Raises:
            Refused: there is no such container (status 404).
        """
        try:
            archive = await self._engine.call(lambda client: _read_state(client, container))
        except Refused as error:
            if error.status == NOT_FOUND and _NO_CONTAINER not in error.message.lower():
                return NOTHING  # nothing was put into it yet
            raise
        return read_written(archive)

    async def _facts(self, container: Container) -> tuple[Written, Outcome | None]:
        if container.runs and (told := self._told.get(container.id)) is not None:
            return told, None
        known = self._known.get(container.id)
        if known is not None and known[0] == container.state:
            return known[1], known[2]
        async with self._readers:
            news = self._news
            written = NOTHING if container.state in _GOING else await self.written(container.id)
            outcome = None
            if not container.runs:
                record = await self._engine.call(
                    lambda client: client.inspect_container(container.id)
                )
                outcome = Outcome.inspected(record)
        settled = written.ready if container.runs else container.state == "exited"
        if settled and news == self._news:
            self._known[container.id] = (container.state, written, outcome)
        return written, outcome

    def _boot(self) -> str | None:
        """Return this machine's boot id, if the engine is on it."""
        if not self._engine.is_here:
            return None
        try:
            return _BOOT_ID.read_text().strip()
        except OSError:
            return None


def _read_state(client: Client, container: str) -> bytes:
    chunks, _ = client.get_archive(container, inside.STATE, chunk_size=None)
    content = b""
    for chunk in chunks:
        content += chunk
        if len(content) > _LARGEST_ARCHIVE:
            break
    return content
