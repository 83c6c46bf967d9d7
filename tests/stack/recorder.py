"""What the engine says of every workload's container while the drill goes on: its life.

The engine is the one witness that no service can talk into anything. Its events are read as they
come; where the stream broke (the engine was restarted), what does not run any more has ended.
"""

import json
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stack.stack import INSTALLATION_LABEL, WORKLOAD_LABEL, Stack

_AGAIN_SECONDS = 0.5
_WATCHED = ("start", "die")


@dataclass
class Life:
    """One container of a workload, with the Unix seconds at which it was started and ended."""

    container: str
    workload: str
    revision: int
    attempt: int
    starts: list[float] = field(default_factory=list)
    ended: float | None = None


class Recorder(threading.Thread):
    """Reads the engine's events of one stack until it is told to end."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.lives: dict[str, Life] = {}
        """By the container's id."""
        self._stack = stack
        self._heard: set[tuple[int, str]] = set()
        self._since = time.time()
        self._ending = False
        self._events: subprocess.Popen[str] | None = None

    def run(self) -> None:
        """Listen, and again when the stream broke."""
        while not self._ending:
            self._listen()
            if not self._ending:
                self._end_what_is_gone()
                time.sleep(_AGAIN_SECONDS)

    def end(self) -> list[Life]:
        """Stop listening; returns every life, those that began first first."""
        self._ending = True
        if self._events is not None:
            self._events.terminate()
        self.join(timeout=60)
        self._listen("--until", f"{time.time():.6f}")
        return sorted(self.lives.values(), key=lambda life: life.starts)

    def _listen(self, *words: str) -> None:
        label = f"label={INSTALLATION_LABEL}={self._stack.installation_id()}"
        chosen = [word for event in _WATCHED for word in ("--filter", f"event={event}")]
        asked = ["docker", "events", "--since", f"{self._since:.6f}", "--filter", label, *chosen]
        with subprocess.Popen(
            [*asked, *words, "--format", "{{json .}}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as self._events:
            for line in self._events.stdout or ():
                self._hear(json.loads(line))

    def _hear(self, event: dict[str, Any]) -> None:
        key = (event["timeNano"], f"{event['Action']} {event['id']}")
        labels = event["Actor"]["Attributes"]
        if key in self._heard or "cassini.revision" not in labels:
            return
        self._heard.add(key)
        at = event["timeNano"] / 1e9
        self._since = max(self._since, at)
        life = self.lives.setdefault(
            event["id"],
            Life(
                container=event["id"],
                workload=labels[WORKLOAD_LABEL],
                revision=int(labels["cassini.revision"]),
                attempt=int(labels["cassini.attempt"]),
            ),
        )
        if event["Action"] == "start":
            life.starts.append(at)
            life.ended = None
        else:
            life.ended = at

    def _end_what_is_gone(self) -> None:
        try:
            running = {pod.container for pod in self._stack.pods()}
        except AssertionError:
            return  # the engine is still away
        for life in tuple(self.lives.values()):
            if life.ended is None and life.container not in running:
                life.ended = self._since


def overlaps(lives: Sequence[Life]) -> list[str]:
    """Return where two containers of one workload ran at the same moment."""
    wrong = []
    last: dict[str, Life] = {}
    for life in sorted((each for each in lives if each.starts), key=lambda each: each.starts):
        before = last.get(life.workload)
        if before is not None and (before.ended is None or before.ended > life.starts[0]):
            wrong.append(f"{_name(before)} and {_name(life)} ran at the same moment")
        if before is None or before.ended is not None:
            last[life.workload] = life
    return wrong


def repetitions(
    lives: Sequence[Life], ended_by_us: Collection[str], engine_restarts: Sequence[float] = ()
) -> list[str]:
    """Return containers started twice, and attempts that no end of our making explains.

    ``engine_restarts`` are the moments at which the engine was back: it ends every container that
    it finds, also one that nobody had listed or heard of before it was killed.
    """
    wrong = [
        f"{_name(life)} was started {len(life.starts)} times" for life in lives if life.starts[1:]
    ]
    by_name = {(life.workload, life.revision, life.attempt): life for life in lives}
    for life in lives:
        before = by_name.get((life.workload, life.revision, life.attempt - 1))
        by_us = before is not None and before.container in ended_by_us
        if life.attempt > 1 and not by_us and not _between(engine_restarts, before, life):
            wrong.append(f"{_name(life)} is a further attempt that nothing explains")
    return wrong


def _between(moments: Sequence[float], before: Life | None, after: Life) -> bool:
    """Say whether one of these moments lies between the starts of two lives."""
    began = before.starts[0] if before is not None and before.starts else 0.0
    return any(began <= at and after.starts and at <= after.starts[0] for at in moments)


def _name(life: Life) -> str:
    return f"{life.workload}-{life.revision}-{life.attempt}"
