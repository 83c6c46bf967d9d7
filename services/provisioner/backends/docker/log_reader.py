"""Reading what the engine keeps of a pod's output, by line number.

The engine knows no numbers: it gives lines from a time on. So for each log that is read, places are
remembered (a line's number and its time), and reading begins at the last one before what is asked
for. Two writers' times may cross by a little, so a place is only where the log was silent for a
while. Of a log that is complete all lines are kept until another one is read, since whoever reads
it then (the archive) reads all of it.

The engine drops the oldest file of a log when it is full. Whoever has read the log before still
knows the numbers; whoever has not counts from the oldest line that is left.
"""

import re
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cassini.runtime.log_source import LogLine, LogPage
from services.provisioner.backends.docker.engine import Client, check, url
from services.provisioner.lines import LONGEST_LINE_BYTES, read_line

_SILENCE_SECONDS = 0.02
_PLACES = 2000
_CHUNK_BYTES = 65536
_HEADER_BYTES = 8
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z ?")
_REQUEST_SECONDS = (10, 30)


@dataclass(frozen=True)
class _Line:
    at: float
    since: str
    """``at`` as the engine is asked: seconds and nanoseconds."""
    text: bytes


@dataclass
class _Places:
    """Where to begin to read one log: numbers, and the times to ask for."""

    numbers: list[int] = field(default_factory=lambda: [0])
    times: list[str] = field(default_factory=lambda: ["0"])

    def before(self, number: int) -> tuple[int, str]:
        index = bisect_right(self.numbers, max(number, 0)) - 1
        return self.numbers[index], self.times[index]

    def note(self, number: int, since: str) -> None:
        if number > self.numbers[-1]:
            if len(self.numbers) >= _PLACES:  # every second one will do
                del self.numbers[1::2], self.times[1::2]
            self.numbers.append(number)
            self.times.append(since)


class LogReader:
    """Reads logs of one engine's containers. All calls block: use a thread."""

    def __init__(self) -> None:
        self._places: dict[str, _Places] = {}
        self._complete: tuple[str, list[LogLine]] | None = None
        self._lock = threading.Lock()

    def read(
        self, client: Client, container: str, *, first: int, lines: int, complete: bool
    ) -> LogPage:
        """Return lines; ``complete``: the container has ended.

        A negative ``first`` counts from the end.
        """
        known = self._complete
        if complete and known is not None and known[0] == container:
            return _page(known[1], 0, first, lines)
        # From the end: the last place may be right at it.
        begin = 0 if complete else max(first, 0)
        page, found = self._look(client, container, begin, from_end=first < 0 and not complete)
        if first < 0 and page + first + len(found) < page and page > 0:
            page, found = self._look(client, container, max(page + len(found) + first, 0))
        if complete:
            self._complete = (container, found)
        return _page(found, page, first, lines)

    def forget(self, container: str) -> None:
        """Drop what is remembered of a container that is gone."""
        with self._lock:
            self._places.pop(container, None)
            if self._complete is not None and self._complete[0] == container:
                self._complete = None

    def _look(
        self, client: Client, container: str, number: int, *, from_end: bool = False
    ) -> tuple[int, list[LogLine]]:
        """Return the lines from the last place before a number on, and the first one's number."""
        with self._lock:
            places = self._places.setdefault(container, _Places())
            start, since = places.before(places.numbers[-1] if from_end else number)
        found: list[LogLine] = []
        before: _Line | None = None
        for line in _lines(client, container, since):
            if before is not None and line.at - before.at >= _SILENCE_SECONDS:
                with self._lock:
                    places.note(start + len(found), line.since)
            stamp = f"{line.at:.3f} ".encode()
            found.append(read_line(stamp + line.text, longest=LONGEST_LINE_BYTES))
            before = line
        return start, found


def _page(found: list[LogLine], start: int, first: int, lines: int) -> LogPage:
    end = start + len(found)
    first = max(first + end if first < 0 else first, start)
    return LogPage(first, tuple(found[first - start : first - start + lines]), end)


def _lines(client: Client, container: str, since: str) -> Iterator[_Line]:
    """Yield whole lines; the engine breaks long ones, and says the time before each part."""
    open_lines: dict[int, _Line] = {}
    for stream, frame in _frames(client, container, since):
        match = _STAMP.match(frame)
        if match is None:
            continue
        seconds = int(datetime.fromisoformat(match[1].decode() + "+00:00").timestamp())
        fraction = (match[2] or b".0").decode()
        line = _Line(seconds + float(fraction), f"{seconds}{fraction}", frame[match.end() :])
        if begun := open_lines.pop(stream, None):
            line = _Line(begun.at, begun.since, begun.text + line.text)
        if line.text.endswith(b"\n"):
            yield _Line(line.at, line.since, line.text[:-1])
        else:
            open_lines[stream] = line
    yield from open_lines.values()


def _frames(client: Client, container: str, since: str) -> Iterator[tuple[int, bytes]]:
    """Yield what the engine noted: (stream, time and text). The library would round the time."""
    response = client.get(
        url(client, f"/containers/{container}/logs"),
        params={"stdout": "1", "stderr": "1", "timestamps": "1", "since": since},
        stream=True,
        timeout=_REQUEST_SECONDS,
    )
    try:
        check(response)
        rest = b""
        for chunk in response.iter_content(_CHUNK_BYTES):
            rest += chunk
            position = 0
            while len(rest) - position >= _HEADER_BYTES:
                size = int.from_bytes(rest[position + 4 : position + _HEADER_BYTES])
                end = position + _HEADER_BYTES + size
                if len(rest) < end:
                    break
                yield rest[position], rest[position + _HEADER_BYTES : end]
                position = end
            rest = rest[position:]
    finally:
        response.close()
