"""A fork server: imports the platform once, then forks a process for every job.

Reads one JSON object a line from standard input, writes ``[what, value]`` a line to standard
output while the job runs, and ``["ended", signal or exit code]`` after it. Neither a loop nor a
thread is started before a fork. It adopts what its children leave behind, so that nothing outlives
the test: shims go on when a platform is killed, and are ended with their data directory.
"""

import ctypes
import gc
import json
import os
import sys
import traceback
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import configure_mappers

from tests.system.crash import doors, verbs

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Serve jobs until standard input ends."""
    answers = os.dup(1)
    os.dup2(2, 1)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    doors.install()
    configure_mappers()
    gc.collect()
    gc.freeze()  # else every child would look through all that is loaded, and copy it

    def tell(what: str, value: Any) -> None:
        os.write(answers, json.dumps([what, value]).encode() + b"\n")

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line), tell)
        _, status = os.waitpid(pid, 0)
        os.write(answers, b"\n")  # a killed child may have left half a line
        tell("ended", os.waitstatus_to_exitcode(status))
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _child(job: dict[str, Any], tell: verbs.Tell) -> None:
    code = 1
    try:
        verbs.perform(job, tell)
        code = 0
    except BaseException:  # noqa: BLE001 - a child must never go on as a second fork server
        tell("failed", traceback.format_exc())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
