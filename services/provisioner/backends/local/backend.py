"""The local backend: what each call of ``Backend`` does with folders, shims and the watch.

Blocking work runs in threads; what changes a workload's pods is done one at a time a workload.
"""

import asyncio
import os
import re
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import structlog

from cassini.runtime.errors import BackendError
from cassini.runtime.log_source import LogPage
from services.provisioner.backends.base import BackendDescription, EndReason, Pod, PodUsage
from services.provisioner.backends.local import layout
from services.provisioner.backends.local.abilities import find_abilities, without_limits
from services.provisioner.backends.local.attempt import (
    Attempt,
    Intent,
    observe,
    settle,
    signal_keeper,
)
from services.provisioner.backends.local.limits import NoLimits, find_limits, machine_memory
from services.provisioner.backends.local.log_files import read_log
from services.provisioner.backends.local.owners import Owners
from services.provisioner.backends.local.places import Places, make_memory
from services.provisioner.backends.local.ports import free_ports
from services.provisioner.backends.local.shim import groups, state
from services.provisioner.backends.local.start import Abilities, Starter, spawn
from services.provisioner.backends.local.usage import Usage
from services.provisioner.backends.local.watch import Watch
from services.provisioner.plan import PodName, PodPlan

_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = structlog.get_logger(__name__)
_REMOVE_PATIENCE = 5.0
_REMOVE_STEP = 0.02
_INSTALLATION = re.compile(r"[\w.-]{1,100}", re.ASCII)


class LocalBackend:
    """Runs pods as processes; see ``Backend`` for what each call promises.

    ``isolation`` and ``limits`` keep it from using what the machine offers. Times are in days or
    seconds, ``log_bytes`` is the size of one of the ``log_files`` a pod's log is rotated through.
    """

    def __init__(
        self,
        *,
        data: Path,
        installation_id: str,
        loopback: str = "127.0.0.1",
        trash_days: float = 7,
        isolation: Literal["best", "none"] = "best",
        limits: Literal["best", "none"] = "best",
        log_bytes: int = 1024 * 1024,
        log_files: int = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not data.is_absolute() or not _INSTALLATION.fullmatch(installation_id):
            raise ValueError(
                "the data directory must be absolute, the installation id a plain word"
            )
        data = data.resolve()
        self._installation_id = installation_id
        self._loopback = loopback
        self._trash_days = trash_days
        self._wanted = (isolation, limits)
        self._clock = clock
        self._places = Places(data, clock)
        self._starter = Starter(
            self._places, Owners(data), installation_id, loopback, log_bytes, log_files
        )
        self._abilities = Abilities()
        self._usage = Usage(since=clock())
        self._watch = Watch(self._observe, self._end_as_taken)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def open(self) -> None:
        """Make the folders, empty old trash, find out what pods can get here."""
        await self._call(self._open)

    def _open(self) -> None:
        self._places.prepare()
        self._places.purge(self._trash_days)
        isolation, limits = self._wanted
        wanted = Abilities(namespaces=isolation == "best")
        if limits == "best":
            try:
                wanted = replace(wanted, limits=find_limits(self._installation_id))
            except NoLimits as none:
                wanted = replace(wanted, notes=(without_limits(str(none)),))
        self._abilities = find_abilities(self._starter, wanted)
        for note in self._abilities.notes:
            _log.info("pods get less here than they could", reason=note)

    async def close(self) -> None:
        """Stop following the pods; they go on running."""
        await self._watch.close()

    async def describe(self) -> BackendDescription:
        """Say what this machine can do."""
        return BackendDescription(
            kind="local",
            cores=float(len(os.sched_getaffinity(0))),
            memory_bytes=await self._call(machine_memory),
            isolation=self._abilities.isolation,
            limits=self._abilities.limits.words,
            notes=self._abilities.notes,
        )

    async def create(self, plan: PodPlan, secrets: Mapping[str, str]) -> None:
        """Put down the intent, then start a shim; complete an earlier intent that has none."""
        async with self._locks[plan.name.workload_id]:
            pid = await self._call(self._create, plan, secrets)
            if pid is not None:
                self._watch.follow(plan.name, pid)

    def _create(self, plan: PodPlan, secrets: Mapping[str, str]) -> int | None:
        """Return the pid of the pod's shim, None if the pod needs none any more."""
        attempt = self._observe(plan.name)
        if attempt is not None and not attempt.open:
            return attempt.keeper if attempt.alive else None
        owner = self._starter.owner(plan.owner_id)
        self._places.make_attempt(plan.name, owner)
        if attempt is None:
            with suppress(FileExistsError):  # another backend was faster: its intent counts
                self._put_down(plan, owner)
            attempt = self._observe(plan.name)
        if attempt is None:
            raise BackendError(f"Another installation has a pod named {plan.name} here.")
        ports = {int(container): port for container, port in attempt.intent.ports.items()}
        order = self._starter.order(plan, secrets, ports, self._abilities)
        return spawn(order, str(plan.name))

    def _put_down(self, plan: PodPlan, owner: tuple[int, int] | None) -> None:
        attempts = self._observe_all(None)
        taken = {port for attempt in attempts for port in attempt.intent.ports.values()}
        ports = free_ports(len(plan.ports), self._loopback, taken)
        memory = None
        if not self._abilities.namespaces:
            memory = layout.memory_folder(plan, self._places)
            make_memory(memory, owner)
        limits = self._abilities.limits
        intent = Intent(
            installation=self._installation_id,
            declarer=plan.declarer,
            created_at=self._clock(),
            boot=state.boot_id(),
            host=self._loopback,
            ports={str(wanted): port for wanted, port in zip(plan.ports, ports, strict=True)},
            probe_port=plan.readiness.port if plan.readiness else None,
            probe_path=plan.readiness.path if plan.readiness else "",
            grace_seconds=plan.grace_seconds,
            groups=tuple(
                path for path, _ in limits.groups(str(plan.name), plan.cores, plan.memory_bytes)
            ),
            memory=None if memory is None else str(memory),
        )
        intent.write(self._places.attempt(plan.name))

    async def list_pods(self, workload_id: str | None = None) -> Sequence[Pod]:
        """Return every pod, following those that live and settling those that were lost."""
        attempts = await self._call(self._observe_all, workload_id, settled=True)
        for attempt in attempts:
            if attempt.alive and attempt.keeper is not None:
                self._watch.follow(attempt.name, attempt.keeper)
        await asyncio.gather(*(self._watch.check(attempt) for attempt in attempts))
        return [self._pod(attempt) for attempt in attempts]

    def _pod(self, attempt: Attempt) -> Pod:
        pod = attempt.pod(ready=self._watch.is_ready(attempt.name))
        if attempt.open and self._watch.is_followed(attempt.name):
            return replace(pod, begun=True, message=None)  # its shim is just about to begin it
        return pod

    def _observe(self, name: PodName) -> Attempt | None:
        return observe(self._places.attempt(name), name, self._installation_id)

    def _observe_all(self, workload_id: str | None, *, settled: bool = False) -> list[Attempt]:
        found = []
        for name in self._places.names(workload_id):
            attempt = self._observe(name)
            if attempt and settled and (reason := attempt.lost()):
                settle(attempt, reason, self._clock())
                attempt = self._observe(name)
            if attempt:
                found.append(attempt)
        return found

    async def terminate(self, name: PodName) -> None:
        """Ask a pod to end; its shim sees to the grace and the force."""
        await self._call(self._terminate, name, EndReason.STOPPED)

    async def _end_as_taken(self, name: PodName) -> None:
        await self._call(self._terminate, name, EndReason.PORT_TAKEN)

    def _terminate(self, name: PodName, reason: EndReason) -> None:
        attempt = self._observe(name)
        if attempt is None or attempt.end is not None:
            return
        # The wish first: a shim that takes the lock after this line reads it before it begins.
        if attempt.stop is None:
            try:
                state.write_atomic(str(attempt.directory / state.STOP), reason.value)
            except FileNotFoundError:
                return  # removed meanwhile
        signal_keeper(attempt.directory)

    async def remove(self, name: PodName) -> None:
        """End a pod that still lives, and remove all of it."""
        async with self._locks[name.workload_id]:
            await self.terminate(name)  # also one that a shim is just about to begin
            attempt = await self._wait_for_end(name)
            await self._call(self._remove, name, attempt)

    async def _wait_for_end(self, name: PodName) -> Attempt | None:
        began = time.monotonic()
        while (attempt := await self._call(self._observe, name)) and attempt.keeper is not None:
            if time.monotonic() - began > attempt.intent.grace_seconds + _REMOVE_PATIENCE:
                raise BackendError(f"The pod {name} does not end; it will be tried again.")
            await asyncio.sleep(_REMOVE_STEP)
        return attempt

    def _remove(self, name: PodName, attempt: Attempt | None) -> None:
        if attempt is not None:
            if reason := attempt.lost():
                settle(attempt, reason, self._clock())
            groups.remove(attempt.intent.groups)
            if attempt.intent.memory:
                shutil.rmtree(attempt.intent.memory, ignore_errors=True)
        elif (self._places.attempt(name) / state.INTENT).exists():
            return  # another installation's
        self._places.remove_attempt(name)

    async def discard_home(self, workload_id: str) -> None:
        """Move the home to the trash; what has been there for too long goes."""
        async with self._locks[workload_id]:
            await self._call(self._places.discard_home, workload_id)
        await self._call(self._places.purge, self._trash_days)

    async def recover_home(self, workload_id: str) -> None:
        """Take the newest home back from the trash, if there is none now."""
        async with self._locks[workload_id]:
            await self._call(self._places.recover_home, workload_id)

    async def read_logs(
        self, name: PodName, *, first: int, lines: int, unended: bool = False
    ) -> LogPage | None:
        """Return lines of a pod that was not removed."""
        return await self._call(self._read_logs, name, first, lines, unended)

    def _read_logs(self, name: PodName, first: int, lines: int, unended: bool) -> LogPage | None:
        folder = self._places.attempt(name)
        # Asked for first: once it has ended nothing more is written, so the last line is whole.
        ended = (folder / state.END).exists() or state.holder(os.fspath(folder)) is None
        return read_log(folder, first=first, lines=lines, unended=unended or ended)

    async def measure(self) -> Sequence[PodUsage]:
        """Return what every pod that runs has used; ``usage.py`` says how far that is known."""
        return await self._call(lambda: self._usage.measure(self._observe_all(None)))

    def changes(self) -> AsyncIterator[str]:
        """Yield ids of workloads whose pods may have changed, from this call on."""
        return self._watch.changes()

    async def _call(self, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise BackendError(
                f"The data directory cannot be used: {error.strerror or error}.",
                path=str(error.filename or self._places.data),
            ) from error
