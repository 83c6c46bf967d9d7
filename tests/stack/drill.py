"""The drill: people start and stop servers while everything is broken in turn.

After each fault the people pause, and it is measured how long it takes until API and engine agree
on what was promised last. The first line is of no fault at all: what the machine needs for that by
itself. At the end nothing may be left over, and no request may have had two effects.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.stack.checks import converge
from tests.stack.effects import effects
from tests.stack.faults import Fault
from tests.stack.load import Load
from tests.stack.recorder import Recorder
from tests.stack.stack import Stack

AIM_SECONDS = 30.0
_GIVE_UP_SECONDS = 240.0
_BEFORE_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """How one fault ended."""

    fault: str
    seconds: float
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        end = f"still wrong: {'; '.join(self.wrong[:5])}" if self.wrong else "agreed"
        late = " (aim missed)" if self.seconds > AIM_SECONDS and not self.wrong else ""
        return f"{self.fault:32} {self.seconds:6.1f} s  {end}{late}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return all outcomes, a line each."""
    return "\n".join([f"{'fault':32} {'seconds':>8}  outcome", *map(str, outcomes)])


def drill(
    stack: Stack,
    faults: Mapping[str, Fault],
    *,
    people: int,
    each: int,
    pause: float,
    seed: int | None = None,
) -> tuple[list[Outcome], list[str]]:
    """Make all faults; returns how each ended, and what was wrong at the end."""
    seed = random.randrange(10**6) if seed is None else seed
    random.seed(seed)
    print(f"seed {seed}, {people * each} servers of {people} people", flush=True)
    client = stack.client()
    recorder = Recorder(stack)
    recorder.start()
    load = Load(client, people=people, each=each, pause=pause, seed=seed)
    try:
        outcomes = [_one(stack, load, name, fault) for name, fault in faults.items()]
        accepted = sum(len(server.accepted) for server in load.servers)
        lives = recorder.end()
        print(f"{accepted} requests were accepted, {len(lives)} containers ran", flush=True)
        return outcomes, effects(stack, load, lives)
    finally:
        load.end()


def _one(stack: Stack, load: Load, name: str, fault: Fault) -> Outcome:
    load.go()
    time.sleep(_BEFORE_SECONDS)  # the load itself, not a wait for a fact
    fault(stack)
    began = time.monotonic()
    load.pause()
    paused = time.monotonic() - began
    took, wrong = converge(stack, load.client, load, seconds=_GIVE_UP_SECONDS)
    outcome = Outcome(name, paused + took, wrong)
    print(outcome, flush=True)
    return outcome
