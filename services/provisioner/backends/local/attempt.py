"""One attempt as its folder and the process table tell it, and settling what was lost.

Read in an order that cannot mislead while the shim works beside: a shim writes ``shim.json`` only
while it holds the lock, and lets go of the lock only after ``end.json``. So *no lock, shim.json, no
end.json*, with the lock looked at again, means killed. *No lock ever taken* is an intent that was
interrupted: it is listed as STARTING, and ``create`` with the same plan completes it.
All calls block: use a thread.
"""

import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from cassini.runtime.errors import BackendError
from services.provisioner.backends.base import EndReason, Pod, PodEndpoint, PodPhase, StepReport
from services.provisioner.backends.local.shim import groups, processes, state
from services.provisioner.backends.report import failed_step, main_began_at, read_report
from services.provisioner.plan import PodName

_LOST = {EndReason.HOST_RESTARTED, EndReason.KEEPER_KILLED}
_KILL_PATIENCE = 5.0


@dataclass(frozen=True)
class Intent:
    """What was recorded before anything was started. Holds no secret and no script."""

    installation: str
    declarer: str
    created_at: float
    boot: str
    host: str
    ports: Mapping[str, int]
    probe_port: int | None
    probe_path: str
    grace_seconds: float
    groups: tuple[str, ...]
    memory: str | None

    def write(self, directory: Path) -> None:
        """Put it down durably.

        Raises:
            FileExistsError: there is one already.
        """
        path = os.fspath(directory / state.INTENT)
        state.write_atomic(path, json.dumps(asdict(self)), exclusive=True)

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Return what was put down, None if nothing was."""
        content = _read_json(directory / state.INTENT)
        if content is None:
            return None
        try:
            return cls(**{**content, "groups": tuple(content["groups"])})
        except (KeyError, TypeError) as error:
            raise _unreadable(directory / state.INTENT) from error


@dataclass(frozen=True)
class Attempt:
    """One attempt at one moment."""

    name: PodName
    directory: Path
    intent: Intent
    keeper: int | None
    """The pid of its shim, None if it has none now."""
    begun: bool
    stop: str | None
    end: Mapping[str, Any] | None
    steps: tuple[StepReport, ...]

    @property
    def alive(self) -> bool:
        """Whether a shim keeps it."""
        return self.keeper is not None and self.end is None

    @property
    def open(self) -> bool:
        """Whether nothing of it was ever run, so that it can still be begun."""
        return not (self.keeper or self.begun or self.stop or self.end or self.lost())

    def lost(self) -> EndReason | None:
        """Return why nobody knows how it ended, None if that is not so."""
        if self.keeper is not None or self.end is not None:
            return None
        if self.intent.boot != state.boot_id():
            return EndReason.HOST_RESTARTED
        return EndReason.KEEPER_KILLED if self.begun else None

    def pod(self, *, ready: bool) -> Pod:
        """Return it as the backend's callers see it."""
        code, reason, message, finished_at = self._outcome()
        phase = PodPhase.STARTING
        if self.open:
            message = "It has not begun; creating it again completes it."
        if reason in _LOST:
            phase = PodPhase.LOST
        elif reason is not None:
            phase = PodPhase.ENDED
        elif main_began_at(self.steps) is not None:
            phase = PodPhase.STARTED
        return Pod(
            name=self.name,
            declarer=self.intent.declarer,
            phase=phase,
            begun=not self.open,
            ready=ready and phase is PodPhase.STARTED,
            created_at=self.intent.created_at,
            started_at=main_began_at(self.steps),
            finished_at=finished_at,
            exit_code=code,
            reason=reason,
            message=message or None,
            steps=self.steps,
            endpoints=tuple(
                PodEndpoint(int(container), self.intent.host, port)
                for container, port in self.intent.ports.items()
            ),
        )

    def _outcome(self) -> tuple[int | None, EndReason | None, str, float | None]:
        if self.end is None:
            if self.stop and not self.keeper and not self.begun:
                return None, EndReason(self.stop), "It was stopped before it began.", None
            return None, None, "", None
        code, reason = self.end["exit_code"], EndReason(self.end["reason"])
        message, at = self.end["message"], self.end["finished_at"]
        if reason is EndReason.EXITED and code and self.steps and not main_began_at(self.steps):
            failed = failed_step(self.steps) or self.steps[-1]
            if failed.exit_code is not None:
                code = failed.exit_code
            return code, EndReason.PREPARATION_FAILED, f"The step {failed.name!r} failed.", at
        return code, reason, message, at


def observe(directory: Path, name: PodName, installation: str) -> Attempt | None:
    """Return an attempt, None if there is none or it is another installation's.

    Raises:
        BackendError: its files cannot be read.
    """
    try:
        intent = Intent.read(directory)
        if intent is None or intent.installation != installation:
            return None
        path = os.fspath(directory)
        keeper = state.holder(path)
        begun = (directory / state.KEEPER).exists()
        end = _read_json(directory / state.END)
        if keeper is None and begun and end is None:
            keeper = state.holder(path)
            end = _read_json(directory / state.END)
        stop = state.read_word(f"{path}/{state.STOP}")
        steps = read_report(directory / state.INSIDE / state.REPORT)
        if not (directory / state.INTENT).exists():  # removed while we looked
            return None
    except OSError as error:
        raise BackendError(f"The pod {name} cannot be looked at: {error}.") from error
    return Attempt(name, directory, intent, keeper, begun, stop, end, steps)


def settle(attempt: Attempt, reason: EndReason, now: float) -> None:
    """End whatever a lost attempt left behind, then put down that it was lost.

    Raises:
        BackendError: something of it cannot be ended, so starting another would not be safe.
    """
    lock = os.fspath(attempt.directory / state.LOCK)

    def left() -> dict[int, int]:
        found = processes.marked(str(attempt.name), attempt.intent.installation, lock)
        return found | groups.members(attempt.intent.groups)

    if reason is EndReason.KEEPER_KILLED and not processes.end_all(left, _KILL_PATIENCE):
        raise BackendError(f"Processes of the lost pod {attempt.name} cannot be ended.")
    groups.remove(attempt.intent.groups)
    end = {"exit_code": None, "reason": reason.value, "message": "", "finished_at": now}
    try:
        state.write_atomic(os.fspath(attempt.directory / state.END), json.dumps(end))
    except FileNotFoundError:
        return  # removed meanwhile
    except OSError as error:
        raise BackendError(f"The end of the pod {attempt.name} cannot be kept: {error}.") from error


def signal_keeper(directory: Path) -> None:
    """Ask the shim of an attempt, if it has one, to end it."""
    path = os.fspath(directory)
    pid = state.holder(path)
    if pid is not None:
        # Looked at again once it is held: so it is the holder, not a later process of that number.
        processes.send(pid, signal.SIGTERM, lambda: state.holder(path) == pid)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unreadable(path) from error
    if not isinstance(content, dict):
        raise _unreadable(path)
    return content


def _unreadable(path: Path) -> BackendError:
    return BackendError(f"The file {path} is damaged; remove its folder if the pod is gone.")
