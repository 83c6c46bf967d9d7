# ruff: noqa: PTH110 - pathlib would cost the shim a third of its start
"""What a shim does first: it detaches, reads its order, and makes sure that it is the only one.

The order comes on standard input, secret values included, so that they stand in no argument, file
or environment of the shim. It is ``marshal``: both sides are the same interpreter, and ``json``
would cost 13 ms of every start.

The attempt's lock is taken before anything else, so a second shim for the same attempt does
nothing; an attempt that was begun once is never begun again.
"""

from __future__ import annotations

import marshal
import os
import sys

from . import keeper, state

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # signal itself would bring enum: 5 ms


def begin() -> None:
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
