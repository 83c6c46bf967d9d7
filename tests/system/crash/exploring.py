"""Kill at every boundary of a verb, one after the other, and compare with the fault-free end.

Two runs without a kill give the first list of boundaries: each name and how often it is passed.
Then every occurrence is a target. Runs differ a little (a hint that came sooner saves a look), so
what any later run passes is added to the targets, and an occurrence that was not reached is tried
again. Done means: every name that was ever seen has been killed at.

A process that comes back after a kill goes on to the next one, on the same data directory with a
new workspace, so that what happened before stands by and must not change.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.crash.lanes import Answer, Ground, Zygote

KILLS_ON_ONE_HOME = 4
MOST_TRIES = 3
MOST_FAILURES = 8

Target = tuple[str, int]


@dataclass
class Exploration:
    """What was killed, what was missed, what went wrong."""

    verb: str
    seen: dict[Target, int] = field(default_factory=dict)
    """Targets, with the number of tries so far."""
    killed: set[Target] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    reference: dict[str, Any] | None = None
    slowest: float = 0.0
    """The longest a platform took from its start to rest, in seconds."""
    seconds: float = 0.0
    missed: int = 0
    """Runs that came to their end without passing the occurrence they were to be killed at."""

    def note(self, answer: Answer) -> list[Target]:
        """Add what a run has passed; returns what is new."""
        passed = [
            (name, number)
            for name, count in answer.counts().items()
            for number in range(1, count + 1)
        ]
        new = [target for target in passed if target not in self.seen]
        self.seen |= dict.fromkeys(new, 0)
        return new

    def never_killed(self) -> list[str]:
        """Return the names that were seen and never killed at."""
        return sorted({name for name, _ in self.seen} - {name for name, _ in self.killed})

    def report(self) -> str:
        """Return the list of boundaries for people."""
        names = sorted({name for name, _ in self.seen})
        summary = (
            f"{self.verb}: {len(self.killed)} kills at {len(names)} boundaries, "
            f"{len(self.never_killed())} skipped, {self.missed} misses in {self.seconds:.0f} s; "
            f"at rest again after {self.slowest:.1f} s at most"
        )
        lines = [summary]
        for name in names:
            kills = sum(1 for each, _ in self.killed if each == name)
            times = sum(1 for each, _ in self.seen if each == name)
            lines.append(f"  {kills} of {times}  {name}")
        return "\n".join(lines)


class Explorer:
    """Goes through the boundaries of one verb."""

    def __init__(self, server: Zygote, ground: Ground, verb: str) -> None:
        self._server = server
        self._ground = ground
        self.found = Exploration(verb)
        self._targets: deque[Target] = deque()
        self._missed: deque[Target] = deque()
        self._follow = True

    def explore(self, *, every: int = 1, first: int = 0) -> Exploration:
        """Kill at every boundary, or at every so many beginning with the one numbered ``first``."""
        began = time.monotonic()
        self._find()
        self._targets = deque(list(self.found.seen)[first::every])
        self._follow = every == 1
        while (self._targets or self._missed) and len(self.found.failures) < MOST_FAILURES:
            with self._ground.fresh() as home:
                self._kill_on(home)
        self.found.seconds = time.monotonic() - began
        return self.found

    def _find(self) -> None:
        with self._ground.fresh() as home:
            for _ in range(2):
                answer = self._job(home, None, None, go_on=True)
                assert answer.ended == 0, answer.told
                self._check(answer, None, None)
                self.found.note(answer)

    def _kill_on(self, home: Path) -> None:
        """Use up a data directory, until it was killed on often enough or something is wrong."""
        killed: dict[str, Any] | None = None
        last: Target | None = None
        for kills in range(KILLS_ON_ONE_HOME + 1):
            target = self._next(fresh=kills == 0) if kills < KILLS_ON_ONE_HOME else None
            if target is None and killed is None:
                return
            failures = len(self.found.failures)
            answer = self._job(home, killed, target, go_on=target is not None)
            self._check(answer, killed, last)
            new = self.found.note(answer)
            if self._follow:
                self._targets.extend(new)
            if target is not None:
                self._count(target, answer)
            if target is None or len(self.found.failures) > failures:
                return
            killed, last = (
                (_left(self.found.verb, answer), target) if answer.killed else (None, None)
            )

    def _next(self, *, fresh: bool) -> Target | None:
        """Return the next target; one that was missed gets another data directory."""
        if fresh and self._missed:
            return self._missed.popleft()
        return self._targets.popleft() if self._targets else None

    def _count(self, target: Target, answer: Answer) -> None:
        if answer.killed:
            self.found.killed.add(target)
            return
        self.found.missed += 1
        self.found.seen[target] += 1
        if self.found.seen[target] < MOST_TRIES:
            self._missed.append(target)

    def _job(
        self, home: Path, killed: dict[str, Any] | None, target: Target | None, *, go_on: bool
    ) -> Answer:
        return self._server.do(
            kind="verb",
            home=str(home),
            images=self._ground.images,
            token=self._ground.token,
            killed=killed,
            verb=self.found.verb if go_on else None,
            kill_at=target,
        )

    def _check(self, answer: Answer, killed: dict[str, Any] | None, target: Target | None) -> None:
        """Compare what a run came to with the end without a fault."""
        said = f"after a kill at {target}" if target else "without a kill"
        ends = answer.told.get("end", [])
        if answer.ended not in {0, -9} or (killed is not None and not ends):
            wrong = answer.last("failed") or f"it ended with {answer.ended}"
            self.found.failures.append(f"{said}: {wrong}")
        self.found.slowest = max([self.found.slowest, *answer.told.get("took", [])])
        repeated = killed is not None and killed["answered"] is None
        for number, end in enumerate(ends):
            again = repeated and number == 0
            state = end["state"]
            if self.found.reference is None:
                self.found.reference = state
            wrong = [*end["broken"], *_differences(self.found.reference, state, again, self.found)]
            if wrong:
                self.found.failures.append(f"{said}: " + "\n    ".join(wrong))


def _left(verb: str, answer: Answer) -> dict[str, Any]:
    """Return what the next process must know of a run that was killed."""
    return {
        "verb": verb,
        "workspace": answer.last("workspace"),
        "answered": answer.last("answered"),
    }


def _differences(
    reference: dict[str, Any] | None,
    state: dict[str, Any] | None,
    repeated: bool,
    found: Exploration,
) -> list[str]:
    if reference is None or state is None:
        return []
    ignored = {"numbers"} if repeated and found.verb == "restart" else set()
    return [
        f"{name} is {state[name]!r}, without a fault {reference[name]!r}"
        for name in reference.keys() - ignored
        if state[name] != reference[name]
    ]
