"""What a pod's start-up script reported: ``<unix seconds> <step> <begin|done|failed> [exit code]``.

The file is writable by the pod's own user, so nothing of it is trusted: it is never followed as a
link, read to a bounded length, and lines that do not fit are skipped.
"""

import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from services.provisioner.backends.base import StepReport

MAIN = "main"
_BEGIN, _FAILED = "begin", "failed"
LIMIT_BYTES = 65536
_LIMIT_STEPS = 200
_LINE = re.compile(
    r"(?P<at>\d{1,12}(\.\d{1,9})?) (?P<name>[\w.-]{1,64}) (?P<state>begin|done|failed)"
    r"( (?P<code>\d{1,3}))?",
    re.ASCII,
)


def read_report(path: Path) -> tuple[StepReport, ...]:
    """Return the reported lines in their order; nothing if there is no such plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ()
        return parse_report(os.read(descriptor, LIMIT_BYTES))
    finally:
        os.close(descriptor)


def parse_report(content: bytes) -> tuple[StepReport, ...]:
    """Return the reported lines in their order; a last line without its end is not one yet."""
    complete = content[:LIMIT_BYTES].decode("ascii", "replace").split("\n")[:-1]
    steps = (_parse(line) for line in complete)
    return tuple(step for step in steps if step is not None)[:_LIMIT_STEPS]


def _parse(line: str) -> StepReport | None:
    match = _LINE.fullmatch(line.rstrip())
    if match is None or not math.isfinite(at := float(match["at"])):
        return None
    code = int(match["code"]) if match["code"] else None
    return StepReport(name=match["name"], state=match["state"], at=at, exit_code=code)


def main_began_at(steps: Sequence[StepReport]) -> float | None:
    """Return when the preparation was over, None if it is not."""
    return next((s.at for s in steps if s.name == MAIN and s.state == _BEGIN), None)


def failed_step(steps: Sequence[StepReport]) -> StepReport | None:
    """Return the step that failed last, None if none failed."""
    return next((step for step in reversed(steps) if step.state == _FAILED), None)
