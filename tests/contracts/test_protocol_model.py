"""The protocol's promises hold on every random walk; see ``protocol_walk.py`` for the dangers.

``CASSINI_MODEL_SEED`` repeats a run, ``CASSINI_MODEL_STEPS`` makes it longer.
"""

import contextlib
import os
import random
import sys
from dataclasses import replace

import pytest

from cassini.contracts.protocol import FactVerdict, WishVerdict, judge_fact
from cassini.testing.clock import FakeClock
from tests.contracts.protocol_sides import MemoryDeclarer, MemoryOwner, Rules
from tests.contracts.protocol_walk import Walk
from tests.contracts.protocol_world import Broken

STEPS = int(os.environ.get("CASSINI_MODEL_STEPS", "100000"))
SEED = int(os.environ.get("CASSINI_MODEL_SEED", "0")) or random.SystemRandom().getrandbits(32)


def new_walk(seed, rules):
    clock = FakeClock()
    declarer, owner = MemoryDeclarer(clock, rules), MemoryOwner(clock, rules)
    return Walk(random.Random(seed), clock, declarer, owner)


def run(coroutine):
    """Run what never waits for anything: no loop is needed."""
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
        raise AssertionError("it waited")


def walk_for(steps, seed, rules=Rules()):  # noqa: B008 - immutable
    """Walk in many short walks, each from the beginning; returns the steps taken."""
    taken, number = 0, 0
    while taken < steps:
        count = random.Random(f"{seed}/{number}/steps").randrange(10, 300)
        walk = new_walk(f"{seed}/{number}", rules)
        try:
            run(walk.take_steps(count))
            run(walk.come_to_rest())
            run(walk.check())
        except Broken as broken:
            broken.add_note(f"CASSINI_MODEL_SEED={seed}, walk {number}\n" + "\n".join(walk.trace))
            raise
        taken, number = taken + count, number + 1
    return taken


def test_both_sides_and_the_world_agree_after_any_trouble():
    sys.stderr.write(f"CASSINI_MODEL_SEED={SEED} CASSINI_MODEL_STEPS={STEPS}\n")

    assert walk_for(STEPS, SEED) >= STEPS


def declarer_ignores_the_digest(row, fact):
    if row is not None and fact.generation == row.generation:
        fact = fact.model_copy(update={"wish_digest": row.wish_digest})
    return judge_fact(row, fact)


def declarer_ignores_the_sequence(row, fact):
    verdict = judge_fact(row, fact)
    current = row is not None and fact.generation >= row.observed_generation
    return verdict if verdict.jump or not current else replace(verdict, keep=True)


def declarer_never_jumps(row, fact):
    return replace(judge_fact(row, fact), jump=False)


def declarer_ignores_unknown_ids(row, fact):
    return FactVerdict() if row is None else judge_fact(row, fact)


def owner_ignores_generations(_row, _wish):
    return WishVerdict.ACCEPT


def owner_counts_its_facts_from_its_own_row(last, _now):
    return last + 1


@pytest.mark.parametrize(
    "wrong",
    [
        Rules(judge_fact=declarer_ignores_the_digest),
        Rules(judge_fact=declarer_ignores_the_sequence),
        Rules(judge_fact=declarer_never_jumps),
        Rules(judge_fact=declarer_ignores_unknown_ids),
        Rules(judge_wish=owner_ignores_generations),
        Rules(next_sequence=owner_counts_its_facts_from_its_own_row),
    ],
    ids=lambda rules: next(
        rule.__name__ for rule in vars(rules).values() if rule not in vars(Rules()).values()
    ),
)
def test_the_model_catches(wrong):
    with pytest.raises(Broken):
        walk_for(200_000, "wrong", wrong)


def test_a_walk_is_repeated_by_its_seed():
    def trace_of(seed):
        walk = new_walk(seed, Rules())
        run(walk.take_steps(200))
        return walk.trace

    assert trace_of("one") == trace_of("one")
    assert trace_of("one") != trace_of("other")
