"""Finds callbacks that block the event loop: while one runs, nothing else in the process does.

Every callback of every asyncio loop passes ``Handle._run``; while a monitor is active that method
is timed. Time in which the thread was ready but got no processor is not counted where the kernel
tells it (Linux ``schedstat``), so a busy machine fails no test.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_RUN = "_run"
_NANOSECONDS = 1e9


@dataclass
class LoopMonitor:
    """What was found: the callbacks that ran longer than ``limit`` seconds."""

    limit: float
    blocked: list[str] = field(default_factory=list)

    def note(self, handle: Any, seconds: float) -> None:
        """Remember a callback that ran too long."""
        self.blocked.append(f"{seconds:.3f} s in {handle!r}")


@contextmanager
def monitor_loops(limit: float) -> Iterator[LoopMonitor]:
    """Watch all event loops of this process for callbacks longer than ``limit`` seconds."""
    monitor = LoopMonitor(limit)
    original = getattr(asyncio.Handle, _RUN)
    waited = _WaitedForProcessor()

    def timed(handle: Any) -> None:
        waited_before, began = waited(), time.perf_counter()
        try:
            original(handle)
        finally:
            seconds = time.perf_counter() - began
            if seconds > limit:
                seconds -= waited() - waited_before
                if seconds > limit:
                    monitor.note(handle, seconds)

    setattr(asyncio.Handle, _RUN, timed)
    try:
        yield monitor
    finally:
        setattr(asyncio.Handle, _RUN, original)
        waited.close()


class _WaitedForProcessor:
    """Seconds that the thread this was made in has waited for a processor; 0 where not told."""

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def __call__(self) -> float:
        if self._file < 0:
            return 0.0
        _ran, waited, _slices = os.pread(self._file, 100, 0).split()
        return int(waited) / _NANOSECONDS

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
