"""Every door between the platform and what outlives it, counted, and a kill at any one of them.

Installed in a process that runs the platform for a test; the product knows nothing of it. A
*boundary* is the moment before or after a step that leaves something behind:

- a write transaction of any service that changed a row: before and after its commit;
- a delivery over the bus: before it, and after the reader has committed;
- a call of the pod backend: before and after it;
- inside the pod backend: a file of an attempt written (the intent, the wish to end), the shim
  spawned, the shim told what to do;
- after each folder or file that is made, given to its owner, opened or renamed;
- a value put into the secret store, or deleted.

Names hold no ids, so that they mean the same in every run; an ordinal tells the occurrences of one
name in one run apart. Transactions that change nothing (a timer that finds nothing to do) and reads
leave nothing behind and are no boundaries; samples of what pods use come by the clock, whatever the
verb, and nothing is decided by them.
"""

import functools
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.bus import handled_event
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.database import Database
from cassini.runtime.reconcile import Reconciler
from services.provisioner.backends.local import LocalBackend
from services.secrets.stores.local import LocalStore

BACKEND_CALLS = ("create", "list_pods", "terminate", "remove", "discard_home", "recover_home")
_BACKEND_PACKAGE = "services.provisioner.backends"
_NOT_A_CALLER = ("contextlib.py", "cassini/runtime/database.py", "crash/doors.py")
_PASSED_THROUGH = ("Claim.write",)
_BY_THE_CLOCK = ("Metrics.sample",)

_working_on: ContextVar[str] = ContextVar("working_on", default="")


class Doors:
    """Counts the boundaries passed since ``arm``, and kills this process at the one named."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._armed = False
        self._kill_at: tuple[str, int] | None = None
        self._tell: Callable[[str], None] = lambda _: None

    def arm(self, tell: Callable[[str], None], kill_at: tuple[str, int] | None) -> None:
        """Count from now on and tell each name; die at occurrence ``kill_at[1]`` of a name."""
        self._counts.clear()
        self._tell, self._kill_at, self._armed = tell, kill_at, True

    def disarm(self) -> None:
        """Count no more."""
        self._armed = False

    def reach(self, name: str) -> None:
        """Pass a boundary."""
        if not self._armed:
            return
        with self._lock:
            self._counts[name] += 1
            self._tell(name)
            if (name, self._counts[name]) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


DOORS = Doors()


def install() -> None:
    """Put the doors in, once, before any platform is made."""
    _databases()
    _bus()
    _reconcilers()
    for name in BACKEND_CALLS:
        _asynchronous(LocalBackend, name, f"backend {name}")
    for name in ("put", "delete"):
        _asynchronous(LocalStore, name, f"store {name}")
    _shims()
    _files()


def _databases() -> None:
    original = Database.write

    @asynccontextmanager
    async def write(self: Database) -> AsyncIterator[AsyncSession]:
        name = f"{self._schema}: {_caller()}"
        async with original(self) as session:
            if not name.endswith(_BY_THE_CLOCK):
                _watch_commit(session, name)
            yield session

    Database.write = write  # type: ignore[method-assign]


def _watch_commit(session: AsyncSession, name: str) -> None:
    def changes() -> int:
        driver = session.sync_session.connection().connection.driver_connection
        return int(driver.total_changes)  # type: ignore[union-attr]

    began_with: list[int] = []
    changed: list[bool] = []

    def begun(_session: Any, _transaction: Any, _connection: Any) -> None:
        driver = _connection.connection.driver_connection
        began_with.append(int(driver.total_changes))

    def before(_session: Any) -> None:
        session.sync_session.flush()
        changed.append(bool(began_with) and changes() > began_with[0])
        if changed[-1]:
            DOORS.reach(f"{name}, before commit")

    def after(_session: Any) -> None:
        if changed and changed[-1]:
            DOORS.reach(f"{name}, after commit")

    event.listen(session.sync_session, "after_begin", begun)
    event.listen(session.sync_session, "before_commit", before)
    event.listen(session.sync_session, "after_commit", after)


def _bus() -> None:
    original = MemoryBus.send

    async def send(self: MemoryBus, destination: str, envelope: Any) -> None:
        name = f"bus {envelope.source} to {destination}: {envelope.type}"
        DOORS.reach(f"{name}, before")
        await original(self, destination, envelope)
        DOORS.reach(f"{name}, after")

    MemoryBus.send = send  # type: ignore[method-assign]


def _reconcilers() -> None:
    original = Reconciler.reconcile

    async def reconcile(self: Reconciler[Any], key: str) -> float | None:
        token = _working_on.set(str(self._model.__tablename__))
        try:
            return await original(self, key)
        finally:
            _working_on.reset(token)

    Reconciler.reconcile = reconcile  # type: ignore[method-assign]


def _asynchronous(owner: type, method: str, name: str) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    async def call(*arguments: Any, **options: Any) -> Any:
        DOORS.reach(f"{name}, before")
        answer = await original(*arguments, **options)
        DOORS.reach(f"{name}, after")
        return answer

    setattr(owner, method, call)


def _shims() -> None:
    original = os.posix_spawn

    def posix_spawn(*arguments: Any, **options: Any) -> int:
        DOORS.reach("shim spawn, before")
        pid = original(*arguments, **options)
        DOORS.reach("shim spawn, after")
        return pid

    os.posix_spawn = posix_spawn
    _everywhere("spawn", lambda _arguments: "shim told", before=False)


def _files() -> None:
    _everywhere("write_atomic", lambda arguments: f"file {Path(arguments[0]).name}")
    for name in ("mkdir", "chown", "fchown", "chmod", "fchmod", "rename", "replace"):
        setattr(os, name, _system_call(name, getattr(os, name)))


def _system_call(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        answer = original(*arguments, **options)
        caller = _caller(_of_a_library)
        if caller != "?":
            DOORS.reach(f"{name} in {caller}, after")
        return answer

    return call


def _everywhere(
    function: str, name: Callable[[tuple[Any, ...]], str], *, before: bool = True
) -> None:
    """Wrap a function of the pod backend in every module that has it; it must be there."""
    modules = [module for key, module in sys.modules.items() if key.startswith(_BACKEND_PACKAGE)]
    (original,) = {getattr(module, function) for module in modules if hasattr(module, function)}

    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        if before:
            DOORS.reach(f"{name(arguments)}, before")
        answer = original(*arguments, **options)
        DOORS.reach(f"{name(arguments)}, after")
        return answer

    for module in modules:
        if hasattr(module, function):
            setattr(module, function, call)


def _of_plumbing(filename: str) -> bool:
    return filename.endswith(_NOT_A_CALLER)


def _of_a_library(filename: str) -> bool:
    return not ("/services/" in filename or "/cassini/" in filename)


def _caller(passed_over: Callable[[str], bool] = _of_plumbing) -> str:
    """Name who asked: the function, and what is handled or worked on."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        passed_over(frame.f_code.co_filename) or frame.f_code.co_qualname in _PASSED_THROUGH
    ):
        frame = frame.f_back
    name = "?" if frame is None else frame.f_code.co_qualname
    handled = handled_event.get()
    about = handled.type if handled is not None else _working_on.get()
    return f"{name}({about})" if about else name
