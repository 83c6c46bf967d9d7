"""Lines of logs as they are kept, on disk and in the archive: a time, a space, the text. Pure.

The time is in Unix seconds with three digits after the point, or ``-`` where nobody noted it.
"""

import re

from cassini.runtime.log_source import LogLine

LONGEST_LINE_BYTES = 16 * 1024
"""Of a line that was printed longer, backends give the beginning and say how much is left out."""

_LINE = re.compile(rb"(?:([0-9]{1,11}\.[0-9]{3})|-) ")


def read_line(raw: bytes, *, longest: int | None = None) -> LogLine:
    """Read a kept line, without its end; what is not UTF-8 in it is replaced.

    ``longest``: how many bytes of its text are given at most.
    """
    match = _LINE.match(raw)
    at = match[1] if match else None
    text = raw[match.end() :] if match else raw
    left_out = 0 if longest is None else max(len(text) - longest, 0)
    shown = text[: len(text) - left_out].decode("utf-8", "replace")
    if left_out:
        shown += f" … [{left_out} bytes more]"
    return LogLine(None if at is None else float(at), shown)


def write_line(line: LogLine) -> bytes:
    """Return a line as it is kept, its end included."""
    stamp = "-" if line.at is None else f"{line.at:.3f}"
    return f"{stamp} {line.text}\n".encode()
