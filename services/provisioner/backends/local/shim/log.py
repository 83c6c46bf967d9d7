# ruff: noqa: PTH105, PTH110 - pathlib would cost the shim a third of its start
"""What a pod prints, in files of a bounded size: ``log``, then ``log.1`` and so on, older ones."""

from __future__ import annotations

import os

_CHUNK = 65536
_CHUNKS = 16


class Log:
    """The log of one pod: ``count`` files, each begun anew after about ``size`` bytes."""

    def __init__(self, path: str, size: int, count: int) -> None:
        self._path, self._size, self._count = path, size, count
        self._file = self._open()
        self._used = os.fstat(self._file).st_size

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._path, flags, 0o600)

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
                self._used += os.write(self._file, data)
                if self._used >= self._size:
                    self._rotate()
            except OSError:
                continue  # a full disk costs lines of the log, never the pod
        return True

    def _rotate(self) -> None:
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._count))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            if os.path.exists(newer):
                os.replace(newer, older)
        os.close(self._file)
        self._file = self._open()
        self._used = 0
