"""The run's own directory, and processes that end with it whatever happens.

Everything the bench starts has the run's directory in its command line or environment, so that
also what detached itself (the shims of servers, JupyterHub's single-user servers) is found at the
end and ended, each by its own id.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.005
_END_SECONDS = 30.0
_LOG_LINES = 30


class BenchError(Exception):
    """A measurement could not be made; the text says why and what to do."""


def say(text: str) -> None:
    """Tell the person at the terminal; standard output is for the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Ground:
    """One run's directory and processes.

    It lies in ``/var/tmp``, which is on a disk: with a data directory in memory ``fsync`` would
    cost nothing and the numbers would be too good.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="cassini-bench-", dir=_disk_directory()))
        self.directory.chmod(0o755)  # as root, servers run as users of their own
        self._children: list[Child] = []
        self._last: list[Callable[[], None]] = []

    def folder(self, name: str, mode: int = 0o755) -> Path:
        """Return a new directory in the run's own."""
        path = self.directory / name
        path.mkdir(mode=mode)
        return path

    def spawn(
        self, name: str, arguments: Sequence[str | Path], environment: Mapping[str, str], cwd: Path
    ) -> "Child":
        """Start a process in a session of its own; its output goes to a log file."""
        child = Child(name, arguments, environment, cwd, self.directory / f"{name}.log")
        self._children.append(child)
        return child

    def at_end(self, work: Callable[[], None]) -> None:
        """Do this once every process has ended, before the directory is removed."""
        self._last.append(work)

    def close(self, *, keep: bool) -> None:
        """End what still runs, newest first, then remove the directory."""
        for child in reversed(self._children):
            child.stop()
        for pid in _strays(self.directory):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._wait_for_strays()
        for work in self._last:
            work()
        if keep:
            say(f"The run's directory with all logs: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _wait_for_strays(self) -> None:
        """Let the kernel take its time with what was just killed, which still writes."""
        deadline = time.monotonic() + _END_SECONDS
        while list(_strays(self.directory)) and time.monotonic() < deadline:
            time.sleep(0.05)


class Child:
    """A process that we started."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str],
        cwd: Path,
        log: Path,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self.began = time.time()
            self._process = subprocess.Popen(
                [str(argument) for argument in arguments],
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise if it ended by itself."""
        code = self._process.poll()
        if code is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            said = "\n  ".join(lines)
            raise BenchError(f"{self.name} ended by itself (exit code {code}):\n  {said}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, and make it."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)


def wait_for(what: str, find: Callable[[], Any], seconds: float, *, step: float = 0.1) -> Any:
    """Return the first true value that ``find`` gives.

    Raises:
        BenchError: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(step)
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def plain_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would steer the servers."""
    steering = ("CASSINI_", "JUPYTER", "SATURN_", "XDG_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | more


def processes() -> Iterator[int]:
    """Yield the id of every process there is now."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def process_environment(pid: int) -> dict[str, str]:
    """Return the environment a process was started with; empty if we may not look."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (each.partition("=") for each in content.decode(errors="replace").split("\0"))
    return {name: value for name, _, value in pairs if name}


def _strays(directory: Path) -> Iterator[int]:
    mark = str(directory).encode()
    for pid in processes():
        if pid == os.getpid():
            continue
        try:
            content = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]
        except OSError:
            continue
        if any(mark in each for each in content):
            yield pid


def _disk_directory() -> str | None:
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
