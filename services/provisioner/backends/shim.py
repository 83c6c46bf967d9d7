# ruff: noqa: PTH100, PTH110 - pathlib would cost the shim a third of its start
"""The keeper of one pod: a small process that outlives the platform and knows how the pod ended.

The backend starts it detached, as a plain file (``python -I -S -E shim.py``), and tells it all on
standard input, secret values included, so that they stand in no argument, file or environment of
it. The message is ``marshal``: both sides are the same interpreter, and ``json`` would cost 13 ms
of every start.

It takes the attempt's lock before anything else, so a second shim for the same attempt does
nothing; an attempt that was begun once is never begun again. Then it keeps the pod
(``local_keeper.py``) until it can write how it ended, so that a backend that is not its parent
learns it. Killed itself, it takes the pod along (PID namespace), or leaves processes that the
backend finds by group, lock file and environment mark.

This file is short because a script is compiled at every start; what it imports is not.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys

if __name__ == "__main__":
    sys.path.append(os.path.abspath(__file__).rsplit(os.sep, 4)[0])

from services.provisioner.backends import local_keeper as keeper
from services.provisioner.backends import local_state as state


def main() -> None:
    """Read the order and keep the attempt, unless another shim has it or it has begun before."""
    signal.pthread_sigmask(signal.SIG_BLOCK, keeper.SIGNALS)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(3, 1024)
    os.chdir("/")
    try:
        order = marshal.load(sys.stdin.buffer)  # noqa: S302 - our own backend wrote it
    except (EOFError, ValueError, TypeError):
        return  # the backend was killed while it told us: nothing has begun
    directory = order["directory"]
    try:
        if not state.hold(directory):
            return
        if any(os.path.exists(f"{directory}/{n}") for n in (state.KEEPER, state.END)):
            return
        keeper.Keeper(order).run()
    except FileNotFoundError:
        return  # the attempt was removed


if __name__ == "__main__":
    main()
