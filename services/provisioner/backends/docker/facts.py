"""What is known of a pod: the engine's record of its container, and what it wrote down. Pure.

How a pod ended: ``stop`` says that we asked it to. The entry writes ``end`` when the script ended
by itself, and notes there whether somebody else asked it to. Where neither is, what watched over it
was ended: the engine says 255 of containers that it found dead when it started again, and a boot id
that is not the machine's tells the same.
"""

import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from services.provisioner.backends.base import EndReason, Pod, PodEndpoint, PodPhase, StepReport
from services.provisioner.backends.docker import names
from services.provisioner.backends.report import failed_step, main_began_at, parse_report

_FILES = frozenset({"begun", "report", "ready", "stop", "end"})
_LARGEST_FILE = 65536
_READY = "ready"
_KILLED = 137
_CANNOT_RUN = frozenset({126, 127})
_FOUND_DEAD = 255
RUNNING = frozenset({"running", "paused", "restarting"})

PAUSED = "It was paused from outside."
_RESTARTED = "The machine or its Docker engine was restarted under it."
_NO_SHELL = "The image cannot be run: it has no /bin/sh that works."
_ENDED_FROM_OUTSIDE = "Its container was ended from outside."


@dataclass(frozen=True)
class Written:
    """What a pod, or the backend for it, wrote down in its folder ``state``."""

    boot: str | None = None
    """None: it has not begun."""
    steps: tuple[StepReport, ...] = ()
    ready: bool = False
    stopped_at: float | None = None
    end: tuple[int, bool] | None = None
    """Its exit code, and whether it was asked to end."""

    @property
    def begun(self) -> bool:
        """Whether the values reached it."""
        return self.boot is not None


NOTHING = Written()


def read_written(archive: bytes) -> Written:
    """Read the archive of ``state``; the pod may have written anything there, or cut it short."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(archive), mode="r|") as members:
            for member in members:
                name = member.name.rpartition("/")[2]
                content = members.extractfile(member) if member.isreg() else None
                if name in _FILES and content is not None:
                    found[name] = content.read(_LARGEST_FILE)
    except (tarfile.TarError, EOFError, OSError):
        pass  # what came until there counts
    boot = found.get("begun")
    return Written(
        boot=None if boot is None else boot.decode("ascii", "replace").strip(),
        steps=parse_report(found.get("report", b"")),
        ready="ready" in found,
        stopped_at=_number(found["stop"]) if "stop" in found else None,
        end=_end(found.get("end", b"")),
    )


class Speech:
    """What ``inside/follow.py`` says, line by line."""

    def __init__(self) -> None:
        self.ready = False
        self._report = b""

    def heard(self, line: str) -> Written:
        """Take a line; returns what stands written in the pod that says it."""
        if line == _READY:
            self.ready = True
        else:
            self._report = (self._report + f"{line}\n".encode())[:_LARGEST_FILE]
        return Written(boot="", steps=parse_report(self._report), ready=self.ready)


def _end(content: bytes) -> tuple[int, bool] | None:
    words = content[:20].decode("ascii", "replace").split()
    well = len(words) == 2 and words[0].isdecimal() and words[1] in {"0", "1"}  # noqa: PLR2004
    return (int(words[0]), words[1] == "1") if well else None


def _number(content: bytes) -> float:
    try:
        return float(content[:40])
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class Container:
    """One container at one moment."""

    id: str
    state: str
    created_at: float
    labels: Mapping[str, str]
    addresses: tuple[str, ...]

    @classmethod
    def listed(cls, record: Mapping[str, Any]) -> "Container":
        """Read a line of the engine's list."""
        networks: Iterable[Mapping[str, Any]] = (
            (record.get("NetworkSettings") or {}).get("Networks") or {}
        ).values()
        return cls(
            id=record["Id"],
            state=record["State"],
            created_at=float(record["Created"]),
            labels=record["Labels"] or {},
            addresses=tuple(each["IPAddress"] for each in networks if each.get("IPAddress")),
        )

    @property
    def runs(self) -> bool:
        """Whether its processes are there."""
        return self.state in RUNNING


@dataclass(frozen=True)
class Outcome:
    """What the engine says of a container that does not run."""

    exit_code: int
    out_of_memory: bool
    error: str
    finished_at: float | None

    @classmethod
    def inspected(cls, record: Mapping[str, Any]) -> "Outcome":
        """Read the engine's record of a container."""
        state = record["State"]
        return cls(
            exit_code=state["ExitCode"],
            out_of_memory=state["OOMKilled"],
            error=state["Error"],
            finished_at=_time(state["FinishedAt"]),
        )


def _time(text: str) -> float | None:
    """Read the engine's time; it writes the year 1 where there is none."""
    if text.startswith("0001"):
        return None
    return datetime.fromisoformat(text[:26].rstrip("Z") + "Z").timestamp()


def running_pod(container: Container, written: Written, *, delivering: bool) -> Pod:
    """Return a pod whose container runs; ``delivering``: its values are on their way."""
    began_at = main_began_at(written.steps)
    paused = container.state == "paused"
    return Pod(
        **_common(container),
        phase=PodPhase.STARTING if began_at is None else PodPhase.STARTED,
        begun=written.begun or delivering,
        ready=written.ready and began_at is not None and not paused,
        started_at=began_at,
        message=PAUSED if paused else None,
        steps=written.steps,
        endpoints=tuple(
            PodEndpoint(int(port), address, int(port))
            for address in container.addresses[:1]
            for port in filter(None, container.labels.get(names.PORTS, "").split(","))
        ),
    )


def unstarted_pod(
    container: Container, written: Written, outcome: Outcome, *, delivering: bool
) -> Pod:
    """Return a pod whose container was made and never ran."""
    if outcome.exit_code in _CANNOT_RUN and outcome.error:
        return Pod(
            **_common(container),
            phase=PodPhase.ENDED,
            reason=EndReason.START_FAILED,
            exit_code=outcome.exit_code,
            message=f"The image cannot be run: {outcome.error}",
        )
    if written.stopped_at is not None:
        return Pod(
            **_common(container),
            phase=PodPhase.ENDED,
            reason=EndReason.STOPPED,
            message="It was stopped before it began.",
        )
    message = None if delivering else "It has not begun; creating it again completes it."
    return Pod(**_common(container), phase=PodPhase.STARTING, begun=delivering, message=message)


def ended_pod(container: Container, written: Written, outcome: Outcome, boot: str | None) -> Pod:
    """Return a pod that ran and does not any more; ``boot``: the machine's boot id, if known."""
    code: int | None = outcome.exit_code if written.end is None else written.end[0]
    began_at, message = main_began_at(written.steps), None
    if written.stopped_at is not None:
        reason = EndReason.STOPPED
    elif not written.begun and code in _CANNOT_RUN:
        reason, message = EndReason.START_FAILED, _NO_SHELL
    elif outcome.out_of_memory and code == _KILLED:
        reason = EndReason.OOM_KILLED
    elif written.end is None or written.end[1]:
        rebooted = boot is not None and written.boot not in {None, boot}
        restarted = written.end is None and (outcome.exit_code == _FOUND_DEAD or rebooted)
        reason = EndReason.HOST_RESTARTED if restarted else EndReason.KEEPER_KILLED
        message = _RESTARTED if restarted else _ENDED_FROM_OUTSIDE
        code = None
    elif code and written.steps and began_at is None:
        failed = failed_step(written.steps) or written.steps[-1]
        code = failed.exit_code or code
        reason, message = EndReason.PREPARATION_FAILED, f"The step {failed.name!r} failed."
    else:
        reason = EndReason.EXITED
    lost = reason in {EndReason.HOST_RESTARTED, EndReason.KEEPER_KILLED}
    return Pod(
        **_common(container),
        phase=PodPhase.LOST if lost else PodPhase.ENDED,
        started_at=began_at,
        finished_at=outcome.finished_at,
        exit_code=code,
        reason=reason,
        message=message,
        steps=written.steps,
    )


def _common(container: Container) -> dict[str, Any]:
    return {
        "name": names.pod_name(container.labels),
        "declarer": container.labels.get(names.DECLARER, ""),
        "created_at": container.created_at,
    }
