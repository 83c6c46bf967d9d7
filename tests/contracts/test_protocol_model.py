"""The protocol's promises hold on every random walk; see ``protocol_walk.py`` for the dangers.

``CASSINI_MODEL_SEED`` repeats a run, ``CASSINI_MODEL_STEPS`` makes it longer.
"""

import os
import random
import sys
from dataclasses import replace

import pytest

from cassini.contracts.protocol import FactVerdict, WishVerdict, judge_fact, judge_wish
from cassini.testing.clock import FakeClock
from tests.contracts.protocol_sides import MemoryDeclarer, MemoryOwner, Rules
from tests.contracts.protocol_walk import Broken, Walk

STEPS = int(os.environ.get("CASSINI_MODEL_STEPS", "100000"))
SEED = int(os.environ.get("CASSINI_MODEL_SEED", "0")) or random.SystemRandom().getrandbits(32)


def finish(coroutine):
    """Run what never waits for anything, without a loop."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def one_walk(seed, rules):
    rng, clock = random.Random(seed), FakeClock()
    walk = Walk(rng, clock, MemoryDeclarer(clock, rules), MemoryOwner(clock, rules))
    steps = rng.randrange(10, 300)
    try:
        await walk.take_steps(steps)
        await walk.come_to_rest()
        await walk.check()
    except Broken as broken:
        broken.add_note(f"seed of the walk: {seed}\n" + "\n".join(walk.trace))
        raise
    return steps


def walk_for(steps, seed, rules=Rules()):  # noqa: B008 - immutable
    done, number = 0, 0
    while done < steps:
        walk = one_walk(f"{seed}/{number}", rules)
        try:
            walk.send(None)
        except StopIteration as ended:
            done += ended.value
        number += 1
    return done


def test_both_sides_and_the_world_agree_after_any_trouble():
    sys.stderr.write(f"CASSINI_MODEL_SEED={SEED} CASSINI_MODEL_STEPS={STEPS}\n")

    assert walk_for(STEPS, SEED) >= STEPS
