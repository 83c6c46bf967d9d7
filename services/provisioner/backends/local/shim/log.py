# ruff: noqa: PTH108 - pathlib would cost the shim a third of its start
"""What a pod prints, each line after its time, in files of a bounded size.

A line is ``1800000000.123 text``: Unix seconds of the moment its beginning was read. A file is
named by the number of its first line (``log.0``, ``log.5120``), so that a line is found by its
number without reading the files before. A full file is left at a line's end; where none comes it
may grow to twice its size, and then the line is broken in two.
"""

from __future__ import annotations

import os
import time

_CHUNK = 65536
_CHUNKS = 16
_GAP = b"[Lines are missing here: they could not be written.]\n"


class Log:
    """The log of one pod: the newest ``count`` files, each of about ``size`` bytes."""

    def __init__(self, path: str, size: int, count: int) -> None:
        self._path, self._size, self._count = path, size, count
        self._file = -1
        self._begun: list[str] = []
        self._used = size  # so that the first file is begun with the first line
        self._lines = 0
        self._inside = False
        """What was written last is not the end of a line."""
        self._gap = False
        """Something was lost since."""

    def copy(self, source: int) -> bool:
        """Take over what there is to read (not blocking); False at the end of it."""
        for _ in range(_CHUNKS):  # signals must be heard between
            try:
                data = os.read(source, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            try:
                self._take(data)
            except OSError:
                self._gap = True  # a full disk costs lines of the log, never the pod
        return True

    def _take(self, data: bytes) -> None:
        if self._used >= self._size:
            end = 0
            if self._inside:
                end = data.find(b"\n") + 1
                if not end and self._used < 2 * self._size:
                    self._write(data)
                    return
                self._write(data[:end] or b"\n")
            self._begin()
            data = data[end:]
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Write all or nothing of it, with a time at the beginning of each line.

        Raises:
            OSError: nothing of it was written.
        """
        stamp = b"%.3f " % time.time()
        text = data[:-1].replace(b"\n", b"\n" + stamp) + data[-1:]
        if self._gap:
            text = (b"\n" if self._inside else b"") + stamp + _GAP + stamp + text
        elif not self._inside:
            text = stamp + text
        if os.write(self._file, text) < len(text):
            os.ftruncate(self._file, self._used)
            raise OSError
        self._used += len(text)
        self._lines += text.count(b"\n")
        self._inside, self._gap = data[-1:] != b"\n", False

    def _begin(self) -> None:
        """Begin a file at the next line, and let the oldest one go."""
        path = f"{self._path}.{self._lines}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._used = file, 0
        self._begun.append(path)
        if len(self._begun) > self._count:
            os.unlink(self._begun.pop(0))
