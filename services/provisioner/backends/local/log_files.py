"""Reading the files of a pod's log, also while its shim (``shim/log.py``) writes them.

Only the files are read in which the wanted lines stand, and the newest one, whose lines are
counted. All calls block: use a thread.
"""

import re
from itertools import pairwise
from pathlib import Path

from cassini.runtime.log_source import NO_LINES, LogPage
from services.provisioner.backends.local.shim import state
from services.provisioner.lines import LONGEST_LINE_BYTES, read_line

_FILE = re.compile(rf"{state.LOG}\.([0-9]{{1,18}})", re.ASCII)


def read_log(attempt: Path, *, first: int, lines: int, unended: bool) -> LogPage | None:
    """Return lines of the log in an attempt's folder; None where there is no such folder.

    A negative ``first`` counts from the end; ``unended``: a last line without an end counts too.
    """
    while True:
        try:
            names = [path.name for path in attempt.iterdir()]
        except FileNotFoundError:
            return None
        try:
            return _read(attempt, names, first, lines, unended=unended)
        except FileNotFoundError:
            continue  # the oldest file has just gone, or all of it: look again


def _read(attempt: Path, names: list[str], first: int, lines: int, *, unended: bool) -> LogPage:
    starts = sorted(int(match[1]) for name in names if (match := _FILE.fullmatch(name)))
    if not starts:
        return NO_LINES
    *ended, rest = _content(attempt, starts[-1])
    newest = [*ended, rest] if rest and unended else ended
    end = starts[-1] + len(newest)
    first = max(first + end if first < 0 else first, starts[0])
    found: list[bytes] = []
    for start, following in pairwise([*starts, end]):
        if start < first + lines and first < following:
            content = newest if start == starts[-1] else _content(attempt, start)
            found += content[max(first - start, 0) : min(following, first + lines) - start]
    shown = (read_line(raw, longest=LONGEST_LINE_BYTES) for raw in found)
    return LogPage(first, tuple(shown), end)


def _content(attempt: Path, start: int) -> list[bytes]:
    """Return the lines of one file, and last what stands after their last end."""
    return (attempt / f"{state.LOG}.{start}").read_bytes().split(b"\n")
