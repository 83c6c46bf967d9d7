# ruff: noqa: PTH120 - pathlib would cost the shim a third of its start
"""What a shim forks, from the fork until it is the pod.

With namespaces it is PID 1 of the pod: it builds the pod's view of the files, gives up every
privilege, starts the main command, reaps, and dies with the shim. When PID 1 ends the kernel kills
all that is left, whatever sessions it hid in. Without namespaces it becomes the main command.

What goes wrong before there is a pod is said on a pipe that the shim reads at the end.
"""

from __future__ import annotations

import os
import select

from . import groups, isolation, state

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    import signal
    from typing import Any, NoReturn
else:
    import _signal as signal  # signal itself would bring enum: 5 ms

GO = b"g"


def become_pod(order: dict[str, Any], alive: int, log: int, error: int) -> NoReturn:
    """Become the pod, or say on ``error`` why that is not possible.

    ``alive`` is a pipe on which the shim says go, and that ends with the shim. SIGTERM and SIGCHLD
    must be blocked.
    """
    try:
        groups.enter([path for path, _ in order["groups"]])
        if order["namespaces"]:
            _be_first_process(order, alive, log)
        # Inherited by all that do not close it: a mark of what belongs to this pod.
        lock = os.open(f"{order['directory']}/{state.LOCK}", os.O_RDONLY)
        os.set_inheritable(lock, True)  # noqa: FBT003 - positional only
        isolation.give_up_privileges(order["uid"], order["gid"])
        isolation.die_with_parent()
        _wait_for_go(alive)
        _become_main(order, log)
    except OSError as problem:
        os.write(error, explain(problem).encode())
    except BaseException as problem:  # noqa: BLE001 - it would go on as a second shim
        # Its text could quote a value of the environment; its type cannot.
        os.write(error, f"it cannot be run as asked ({type(problem).__name__})".encode())
    finally:
        os._exit(127)


def explain(problem: OSError) -> str:
    """Return what went wrong, and what to change where that is known."""
    path = problem.filename
    if isinstance(problem, PermissionError) and isinstance(path, str):
        parent, barrier = os.path.dirname(path), ""
        while parent not in {"/", ""}:
            if not os.access(parent, os.X_OK):
                barrier = parent  # the uppermost one counts: those below cannot be asked for
            parent = os.path.dirname(parent)
        if barrier:
            return (
                f"The user {os.getuid()} that this pod runs as may not enter {barrier}, "
                f"which is on the way to {path}: run 'chmod o+x {barrier}', "
                "or keep the data directory elsewhere."
            )
    return f"{problem.strerror}: {path}"


def _be_first_process(order: dict[str, Any], alive: int, log: int) -> NoReturn:
    """Be PID 1 of the pod; ends with the exit code of the main command.

    SIGTERM is passed on to the main command.
    """
    uid, gid = order["uid"], order["gid"]
    isolation.build_root(
        order["mounts"],
        os.getuid() if uid is None else uid,
        os.getgid() if gid is None else gid,
    )
    isolation.give_up_privileges(uid, gid)
    isolation.die_with_parent()
    _wait_for_go(alive)
    main = os.fork()
    if main == 0:
        _become_main(order, log)
    while True:
        if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM:
            os.kill(main, signal.SIGTERM)
        for pid, code in reaped():
            if pid == main:
                os._exit(code)


def _wait_for_go(alive: int) -> None:
    """Wait until the shim has put us into our groups; end if it ended before it said so."""
    said = os.read(alive, len(GO))
    ended = select.poll()
    ended.register(alive, 0)
    if said != GO or ended.poll(0):
        os._exit(1)


def _become_main(order: dict[str, Any], log: int) -> NoReturn:
    """Replace this process by the pod's script.

    Raises:
        OSError: the home or the shell cannot be reached.
    """
    os.setsid()
    for source, target in ((_script_in_memory(order["script"]), 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir(order["home"])
    os.umask(0o022)
    # What Python or the shim ignore would stay ignored in the pod.
    usual = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
    for number in (*usual, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve("/bin/sh", ["sh", "/proc/self/fd/0"], order["environment"])  # noqa: S606 - this is the pod


def _script_in_memory(script: str) -> int:
    """Return a descriptor of the script: it may be longer than the 128 KiB of one argument.

    The shell opens the file again by its name, so that standard input is free for the first line
    to close: nothing the script starts inherits it.
    """
    descriptor = os.memfd_create("script")
    content = f"exec </dev/null\n{script}\n".encode()
    while content:
        content = content[os.write(descriptor, content) :]
    return descriptor


def reaped() -> list[tuple[int, int]]:
    """Collect the children that ended: (pid, exit code, or 128 + signal)."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        code = os.waitstatus_to_exitcode(status)
        found.append((pid, code if code >= 0 else 128 - code))
