"""Build logs: one append-only text file per image id, each line with the time it was printed.

Lines are written one by one and at once, so a reader in any process sees them within moments.
A log is bounded in size (what comes after its end is left out, and it says so), the folder in
number of logs. A line looks like ``2026-01-31T10:00:00.123456+00:00 Installed 3 packages``.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cassini.runtime.log_source import LogLine
from services.builder.disk import disk_errors

MAX_LINE_CHARACTERS = 4000

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_PASSWORDS = re.compile(r"://[^/@\s]+@")
_IMAGE_ID = re.compile(r"[0-9a-f]{32}")
_READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class LogChunk:
    """Some lines, and the offset from which the next ones are read."""

    lines: tuple[LogLine, ...]
    offset: int


def clean_line(line: str) -> str:
    """Return a line without colours, control characters and passwords in addresses."""
    plain = _PASSWORDS.sub("://***@", _ESCAPES.sub("", line)).replace("\t", " ")
    return "".join(char for char in plain if char.isprintable())[:MAX_LINE_CHARACTERS]


class BuildLog:
    """The log of one image. ``folder`` is made when first needed.

    Raises:
        ValueError: the image id is not one.
    """

    def __init__(
        self, folder: Path, image_id: str, *, max_bytes: int = 1024 * 1024, keep: int = 500
    ) -> None:
        if not _IMAGE_ID.fullmatch(image_id):
            raise ValueError("an image id has 32 hex digits")
        self._folder = folder
        self._path = folder / f"{image_id}.log"
        self._max_bytes = max_bytes
        self._keep = keep

    async def begin(self) -> None:
        """Get ready for one more build: start over if half full, drop the oldest other logs.

        Raises:
            BackendError: the folder cannot be written to.
        """
        with disk_errors("The build log cannot be begun"):
            await asyncio.to_thread(self._begin)

    async def write(self, line: str) -> None:
        """Append a line (or several) now.

        Raises:
            BackendError: it cannot be written, the disk is full for example.
        """
        with disk_errors("The build log cannot be written"):
            await asyncio.to_thread(self._write, line)

    async def read(self, offset: int = 0) -> LogChunk:
        """Return whole lines from a byte offset on; from the start if the log started over."""
        return await asyncio.to_thread(self._read, offset, _READ_BYTES)

    async def tail(self, count: int) -> tuple[LogLine, ...]:
        """Return the last ``count`` lines."""
        chunk = await asyncio.to_thread(self._read, 0, 2 * self._max_bytes)
        return chunk.lines[-count:] if count > 0 else ()

    async def remove(self) -> None:
        """Delete the log; success if there is none."""
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > self._max_bytes // 2:
            self._path.unlink()
        others = [path for path in self._folder.glob("*.log") if path != self._path]
        newest_first = sorted(others, key=_modified_at, reverse=True)
        for path in newest_first[self._keep - 1 :]:
            path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size > self._max_bytes:
                return
            data = _stamped(line)
            if size + len(data) > self._max_bytes:
                data += _stamped("The log is full: further lines are left out.")
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def _read(self, offset: int, limit: int) -> LogChunk:
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                start = offset if 0 <= offset <= size else 0
                file.seek(start)
                data = file.read(limit)
        except FileNotFoundError:
            return LogChunk(lines=(), offset=0)
        whole = data[: data.rfind(b"\n") + 1]
        parsed = (_parsed(line) for line in whole.decode(errors="replace").split("\n"))
        return LogChunk(tuple(line for line in parsed if line), start + len(whole))


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _stamped(line: str) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return "".join(f"{now} {clean_line(part)}\n" for part in line.splitlines()).encode()


def _parsed(line: str) -> LogLine | None:
    stamp, _, text = line.partition(" ")
    try:
        return LogLine(at=datetime.fromisoformat(stamp).timestamp(), text=text)
    except ValueError:  # torn by a full disk or a crash
        return None
