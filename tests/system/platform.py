"""A platform as a person runs it: the real command, a data directory and a port of its own.

What belongs to a data directory is found in ``/proc``: by its path in arguments, environment or
open files. All of it is ended when a test is over, also one that failed.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.system.client import Client
from tests.system.waiting import until

CASSINI = Path(sys.executable).parent / "cassini"
FIRST_START_SECONDS = 400.0
START_SECONDS = 60.0
STOP_SECONDS = 30.0
COMMAND_SECONDS = 60.0
READY, SIGN_IN = "Cassini is ready:  ", "Sign in (once, within 15 minutes):  "


def free_port() -> int:
    """Return a port below those of pods and of outgoing connections that nobody listens on."""
    for port in random.sample(range(10_000, 20_000), 200):
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def arguments(pid: int) -> str:
    """Return the command line of a process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


class Home:
    """A data directory and whatever runs on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.children: list[subprocess.Popen[bytes]] = []

    def processes(self, mention: str = "") -> dict[int, str]:
        """Return what runs here, pid -> command line; ``mention``: in arguments or environment."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        found = {pid: _words(pid) for pid in pids if pid != os.getpid() and self._is_ours(pid)}
        return {pid: arguments(pid) for pid, words in found.items() if mention.encode() in words}

    def _is_ours(self, pid: int) -> bool:
        path = os.fsencode(self.path)
        if not alive(pid):
            return False
        if path in _words(pid):
            return True
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if entry.readlink().is_relative_to(self.path):
                        return True
        return False

    def keepers(self, workload_id: str) -> list[int]:
        """Return the shims of a workload that keep a pod (not their children before exec)."""
        found = self.processes(workload_id)
        shims = {pid for pid, words in found.items() if "shim.py" in words}
        return sorted(pid for pid in shims if _parent(pid) not in shims)

    def servers(self, workload_id: str) -> list[int]:
        """Return the JupyterLabs of a workload."""
        found = self.processes(workload_id)
        return sorted(pid for pid, words in found.items() if "-m jupyterlab" in words)

    def kill_all(self, mention: str = "") -> None:
        """Kill everything here, or what mentions this, until nothing is left."""

        def none_left() -> bool:
            found = self.processes(mention)
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        until(none_left, f"the end of all processes of {self.path}")
        for child in self.children:
            child.poll()

    def clear(self, *, keep: tuple[str, ...] = ()) -> None:
        """End everything here and remove all that was made, but the entries to keep."""
        self.kill_all()
        for intent in self.path.glob("workloads/*/*/*/pod.json"):
            if memory := json.loads(intent.read_text()).get("memory"):
                shutil.rmtree(memory, ignore_errors=True)
        with suppress(FileNotFoundError):
            installation = (self.path / "installation-id").read_text()
            for group in Path("/sys/fs/cgroup").glob(f"**/cassini-{installation}"):
                for folder in [*group.glob("*/"), group]:
                    until(partial(_removed, folder), f"the end of {folder}", seconds=5)
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink() and entry.name not in keep:
                shutil.rmtree(entry)
            elif entry.name not in keep:
                entry.unlink()


def _words(pid: int) -> bytes:
    words = b""
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            words += Path(f"/proc/{pid}/{name}").read_bytes().replace(b"\0", b" ")
    return words


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


@contextmanager
def fresh_home() -> Iterator[Home]:
    """Make a data directory that every user can pass through, as a real one; removed after."""
    path = Path(tempfile.mkdtemp(prefix="cassini-test-"))
    path.chmod(0o755)
    home = Home(path)
    try:
        yield home
    finally:
        home.clear()
        path.rmdir()


def environment(home: Home, **more: str) -> dict[str, str]:
    """Return what a person's shell has, without the settings of another Cassini."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CASSINI_")}
    return own | {"CASSINI_HOME": str(home.path)} | more


def run_cassini(home: Home, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a ``cassini`` command to its end."""
    return subprocess.run(
        [CASSINI, *words],
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


class Platform:
    """``cassini up`` in a process of its own."""

    def __init__(self, home: Home, logs: Path, *flags: str, port: int | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        number = len(list(logs.glob("*.out")))
        self.out, self.err = logs / f"{number}.out", logs / f"{number}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [CASSINI, "up", "--port", str(self.port), *flags],
                env=environment(home),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        home.children.append(self.process)

    def says(self, words: str, *, seconds: float = START_SECONDS) -> str:
        """Wait until a printed line holds these words, and return what follows them."""

        def line() -> str | None:
            printed = self.out.read_text()
            found = [each for each in printed.splitlines(keepends=True) if words in each]
            if not found or not found[0].endswith("\n"):
                assert self.process.poll() is None, f"it ended: {printed}{self.err.read_text()}"
                return None
            return found[0].partition(words)[2].rstrip("\n") or words

        return until(line, f"the line {words!r} of {self.out}", seconds=seconds) or ""

    def wait_ready(self, seconds: float = START_SECONDS) -> "Platform":
        """Wait until it says that it is ready, and take the address that it says."""
        self.url = self.says(READY, seconds=seconds)
        return self

    def end(self, number: int = signal.SIGINT, seconds: float = STOP_SECONDS) -> int:
        """Send it a signal, wait for its end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def client(self, user: str = "admin") -> Client:
        """Return a client with a new token of this user, made on the command line."""
        return Client(self.url, self.cassini("admin", "token", "--user", user).strip())

    def cassini(self, *words: str) -> str:
        """Return what a ``cassini`` command prints; it must succeed."""
        ended = run_cassini(self.home, *words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout
