"""Finds callbacks that block the event loop: while one runs, nothing else in the process does.

Every callback of every asyncio loop passes ``Handle._run``; while a monitor is active that method
is timed. Not counted is what the callback cannot help: the garbage collector's time (long in a
process as full as a test run's), and time in which the thread was ready but got no processor,
where the kernel tells it (Linux ``schedstat``), so that a busy machine fails no test.
"""

import asyncio
import gc
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
    excused = _Excused()

    def timed(handle: Any) -> None:
        excused_before, began = excused(), time.perf_counter()
        try:
            original(handle)
        finally:
            seconds = time.perf_counter() - began
            if seconds > limit:
                seconds -= max(excused() - excused_before, 0.0)
                if seconds > limit:
                    monitor.note(handle, seconds)

    setattr(asyncio.Handle, _RUN, timed)
    try:
        yield monitor
    finally:
        setattr(asyncio.Handle, _RUN, original)
        excused.close()


class _Excused:
    """Seconds that this thread has waited for a processor (0 where not told) or collected."""

    def __init__(self) -> None:
        self._collecting = self._began = 0.0
        gc.callbacks.append(self._collect)
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def __call__(self) -> float:
        if self._file < 0:
            return self._collecting
        _ran, waited, _slices = os.pread(self._file, 100, 0).split()
        return self._collecting + int(waited) / _NANOSECONDS

    def _collect(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._collecting += time.perf_counter() - self._began

    def close(self) -> None:
        """Stop to measure; the callback that ends a monitor asks once more after this."""
        gc.callbacks.remove(self._collect)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
