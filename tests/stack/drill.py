"""The drill: people start and stop servers while everything is broken in turn.

After each fault the people pause, and it is measured how long it takes until API, database and
engine agree on what was promised last. At the end nothing may be left over.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.stack.checks import converge, left_over
from tests.stack.faults import Fault
from tests.stack.load import Load
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


def drill(
    stack: Stack, faults: Mapping[str, Fault], *, people: int, each: int, seed: int | None = None
) -> tuple[list[Outcome], list[str]]:
    """Make all faults; returns how each ended, and what was wrong at the end."""
    seed = random.randrange(10**6) if seed is None else seed
    random.seed(seed)
    print(f"seed {seed}, {people * each} servers of {people} people", flush=True)
    client = stack.client()
    load = Load(client, people=people, each=each, seed=seed)
    outcomes = []
    try:
        for name, fault in faults.items():
            load.go()
            time.sleep(_BEFORE_SECONDS)  # the load itself, not a wait for a fact
            fault(stack)
            began = time.monotonic()
            load.pause()
            paused = time.monotonic() - began
            took, story = converge(stack, client, load, seconds=_GIVE_UP_SECONDS)
            outcomes.append(Outcome(name, paused + took, story.wrong))
            print(outcomes[-1], flush=True)
        accepted = sum(len(server.accepted) for server in load.servers)
        print(f"{accepted} requests were accepted", flush=True)
        return outcomes, [*load.problems(), *left_over(stack, load)]
    finally:
        load.end()
