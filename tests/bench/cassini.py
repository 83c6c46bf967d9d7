"""Cassini as a person runs it: ``cassini up`` in a process of its own, used through its API.

Two marks are read from where the local backend leaves them (``workloads/…/pod.json`` with the
moment the backend was called, and the pod's report of its steps): nothing in between is asked of
the platform while it works, so that looking costs it nothing.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cassini.contracts.resources import ServiceName
from services.places import Places
from tests.bench.bare import START_SECONDS, Start
from tests.bench.ground import (
    POLL_SECONDS,
    BenchError,
    Child,
    Ground,
    free_ports,
    plain_environment,
    process_environment,
    processes,
    wait_for,
)
from tests.bench.http import expect, first_ok, request
from tests.bench.memory import Memory, cpu_seconds, measure

FIRST_UP_SECONDS = 1200.0
_STOP_SECONDS = 60.0
_SETTLE_STEP, _IDLE_SHARE = 2.0, 0.03
_STOPPED = "stopped"
_RUNNING = "running"


@dataclass(frozen=True)
class Steps(Start):
    """One start of Cassini in its steps; seconds since the request was sent."""

    answered: float
    """POST was answered."""
    called: float
    """The backend was called: it puts down the intent of the pod."""
    begun: float
    """The pod is prepared: its script becomes JupyterLab."""


class Cassini:
    """The platform on a data directory and a port of its own."""

    name = "Cassini"

    def __init__(
        self, ground: Ground, *, data: Path | None = None, database_url: str | None = None
    ) -> None:
        """Take a new data directory, or another platform's, whose image is built already."""
        self._ground = ground
        self.data = data or ground.folder("data")
        self.port = free_ports(1)[0]
        self.token = ""
        self.made = 0
        """The admin's workspaces."""
        self._own_database = database_url
        self._program = Path(sys.executable).parent / "cassini"
        self._child: Child | None = None
        self._workspace = ""
        ground.at_end(self._remove_groups)

    @property
    def database_url(self) -> str:
        """The address of the api's tables."""
        file = Places(self.data).database_file(ServiceName.API)
        return self._own_database or f"sqlite+aiosqlite:///{file}"

    def up(self) -> float:
        """Start it and return how many seconds later a workspace could be started."""
        child = self._ground.spawn(
            "cassini",
            (self._program, "up", "--port", str(self.port), "--stop-workloads"),
            self._environment(),
            self._ground.directory,
        )
        self._child = child

        def ready() -> bool:
            child.check()
            return request(self.port, "GET", "/health/ready")[0] == 200

        wait_for("Cassini to be ready", ready, FIRST_UP_SECONDS, step=0.02)
        return time.time() - child.began

    def settle(self) -> None:
        """Wait until it has nothing to do: after a start it says again all that it has seen."""
        pid = self._up_child().pid
        used = [float("-inf")]

        def idle() -> bool:
            used.append(cpu_seconds(pid))
            return used[-1] - used[-2] < _IDLE_SHARE * _SETTLE_STEP

        wait_for("Cassini to come to rest", idle, FIRST_UP_SECONDS, step=_SETTLE_STEP)

    def down(self) -> None:
        """Stop it as Ctrl-C does."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)
            self._child = None

    def image(self) -> Path:
        """Return the environment that the built-in image is."""
        found = sorted((self.data / "images").glob("*/cassini-image.json"))
        if not found:
            raise BenchError("the built-in image is not in the data directory")
        return found[-1].parent

    def sign_in(self) -> None:
        """Take a token of the admin's."""
        done = subprocess.run(
            [self._program, "admin", "token"],
            env=self._environment(),
            cwd=self._ground.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"cassini admin token: {done.stderr.strip()}")
        self.token = done.stdout.split()[-1]

    def create_workspace(self) -> dict[str, Any]:
        """Make the workspace that is started again and again; return it as the API shows it."""
        made = self._create("bench")
        self._workspace = made["id"]
        return made

    def create_workspaces(self, count: int) -> None:
        """Make as many workspaces of the admin's as are missing."""
        while self.made < count:
            self._create(f"bench-{self.made}")

    def _create(self, name: str) -> dict[str, Any]:
        made: dict[str, Any] = expect(
            self.port, "POST", "/api/workspaces", self.token, {"name": name}
        )
        self.made += 1
        return made

    def measure(self) -> Steps:
        """Start the workspace, note when what happened, stop it."""
        began, answered, directory, intent = self._start()
        marks = _Marks(directory)
        port = next(iter(intent["ports"].values()))
        wait_for("the pod's token", marks.complete, START_SECONDS, step=POLL_SECONDS)
        ready = first_ok(
            port, "/api/status", marks.token, seconds=START_SECONDS, process=self._up_child()
        )
        shown = self._wait_for_status(_RUNNING, 0.02)
        self._stop()
        return Steps(
            ready=ready - began,
            shown=shown - began,
            answered=answered - began,
            called=intent["created_at"] - began,
            begun=marks.begun - began,
        )

    def measure_call(self) -> float:
        """Start the workspace and return the seconds until the backend was called; stop it."""
        began, _, _, intent = self._start()
        self._stop()
        return intent["created_at"] - began

    def memory(self) -> Memory:
        """Return what the platform's process uses; servers are not of it."""
        return measure(self._up_child().pid)

    def _start(self) -> tuple[float, float, Path, dict[str, Any]]:
        """Return when it was asked, when answered, and the new pod's directory and intent."""
        known = self._intents()
        began = time.time()
        expect(self.port, "POST", f"/api/workspaces/{self._workspace}/start", self.token)
        answered = time.time()
        found = wait_for(
            "the backend to be called",
            lambda: self._intents() - known,
            _STOP_SECONDS,
            step=POLL_SECONDS,
        )
        path = found.pop()
        return began, answered, path.parent, json.loads(path.read_text())

    def _intents(self) -> set[Path]:
        return set((self.data / "workloads").glob("*/*/*/pod.json"))

    def _stop(self) -> None:
        expect(self.port, "POST", f"/api/workspaces/{self._workspace}/stop", self.token)
        self._wait_for_status(_STOPPED, 0.1)

    def _wait_for_status(self, status: str, step: float) -> float:
        path = f"/api/workspaces/{self._workspace}"
        seen: dict[str, Any] = {}

        def reached() -> bool:
            seen.update(expect(self.port, "GET", path, self.token))
            if seen["status"] == "error":
                raise BenchError(
                    f"the workspace failed: {seen.get('reason')} {seen.get('message')}"
                )
            return seen["status"] == status

        wait_for(f"the workspace to be {status}", reached, START_SECONDS, step=step)
        return time.time()

    def _up_child(self) -> Child:
        if self._child is None:
            raise BenchError("Cassini is not running")
        self._child.check()
        return self._child

    def _remove_groups(self) -> None:
        """Remove the control groups of this installation: it keeps them for its next start."""
        name = self.data / "installation-id"
        if not name.exists():
            return
        for folder, _, _ in os.walk("/sys/fs/cgroup"):
            if Path(folder).name != f"cassini-{name.read_text().strip()}":
                continue
            for group in (*(each for each in Path(folder).iterdir() if each.is_dir()), folder):
                with contextlib.suppress(OSError):
                    Path(group).rmdir()

    def _environment(self) -> dict[str, str]:
        more = {} if self._own_database is None else {"CASSINI_DATABASE_URL": self._own_database}
        return plain_environment(CASSINI_HOME=str(self.data), CASSINI_PORT=str(self.port), **more)


class _Marks:
    """What a pod says of itself while it starts."""

    def __init__(self, directory: Path) -> None:
        self._report = directory / "inside" / "report"
        self._end = directory / "end.json"
        # workloads/<workload>/<revision>/<rank>-<attempt>
        workload, revision, last = directory.parts[-3:]
        self._pod = f"{workload}-{revision}-{last}"
        self.begun = 0.0
        self.token = ""

    def complete(self) -> bool:
        """Say whether the main command has begun and its token is known.

        JupyterLab needs most of a second before it answers, time enough to find the token in its
        environment: so that the first request that could be answered already carries it.
        """
        if self._end.exists():
            raise BenchError(f"the pod ended while it started: {self._end.read_text().strip()}")
        if not self.begun and _reads(self._report, lambda text: " main begin" in text):
            self.begun = time.time()
        if self.begun:
            self.token = _token_of(self._pod)
        return bool(self.token)


def _reads(path: Path, holds: Callable[[str], bool]) -> bool:
    try:
        return holds(path.read_text())
    except OSError:
        return False


def _token_of(pod: str) -> str:
    for pid in processes():
        environment = process_environment(pid)
        if environment.get("CASSINI_POD") == pod and "JUPYTER_TOKEN" in environment:
            return environment["JUPYTER_TOKEN"]
    return ""
