"""The rules of declared and observed, as functions of numbers. ``docs/protocol.md`` is the prose.

Both sides keep one row an id. The declarer's row holds the last wish and the greatest fact seen;
the owner's row holds the accepted wish and the last fact given. These functions decide what a
message means for a row; they change nothing, so the model test drives the very rules the
services run.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cassini.contracts.resources import Declared, Observed

OBSERVE_AGAIN_SECONDS = 600.0
"""How often an owner says again what it sees of every row."""

SILENCE_SECONDS = 3 * OBSERVE_AGAIN_SECONDS
"""A declarer that has heard nothing of a settled row for so long emits its wish again: the owner
may have lost the row to a restored backup, and then nothing else would tell either of them."""


class DeclarerNumbers(Protocol):
    """What the declarer's row knows of one id."""

    generation: int
    revision: int
    wish_digest: str
    observed_generation: int
    observed_sequence: int


class OwnerNumbers(Protocol):
    """What the owner's row knows of one id."""

    generation: int
    wish_digest: str
    sequence: int


class WishVerdict(StrEnum):
    """What an owner does with a wish."""

    ACCEPT = "accept"
    """Newer than what it knows: keep it and work towards it."""
    REPEATED = "repeated"
    """The wish it has: say again what is seen, the declarer may have missed it."""
    STALE = "stale"
    """Older, or of the same generation with other content (a restored declarer): keep what it
    has and say again what is seen, so that a restored declarer learns how far it must jump."""


def judge_wish(row: OwnerNumbers | None, wish: Declared) -> WishVerdict:
    """Decide what a wish means for the owner's row (None: no row of that id)."""
    if row is None or wish.generation > row.generation:
        return WishVerdict.ACCEPT
    if wish.generation == row.generation and wish.digest() == row.wish_digest:
        return WishVerdict.REPEATED
    return WishVerdict.STALE


@dataclass(frozen=True)
class FactVerdict:
    """What a declarer does with a fact.

    ``keep``: it is the newest seen, store it and act on it. ``emit_again``: the owner is behind,
    send the wish once more. ``jump``: the owner is ahead or accepted another wish of this
    generation (the declarer was restored), or an object of a later revision is there (so was the
    owner): raise generation and revision past the fact's and declare again. ``unknown``: there is
    no row of that id.
    """

    keep: bool = False
    emit_again: bool = False
    jump: bool = False
    unknown: bool = False


def judge_fact(row: DeclarerNumbers | None, fact: Observed) -> FactVerdict:
    """Decide what a fact means for the declarer's row (None: no row of that id).

    A fact of generation 0 says that the owner knows no wish: it is never kept, only answered.
    """
    if row is None:
        return FactVerdict(unknown=True)
    ahead = fact.generation > row.generation or getattr(fact, "revision", 0) > row.revision
    other = fact.generation == row.generation and fact.wish_digest != row.wish_digest
    if ahead or other:
        return FactVerdict(jump=True)
    newer = (fact.generation, fact.sequence) > (row.observed_generation, row.observed_sequence)
    return FactVerdict(
        keep=newer and fact.generation > 0, emit_again=fact.generation < row.generation
    )


def next_sequence(last: int, now_microseconds: int) -> int:
    """Return the number of the next fact: it rises always, over restarts and old backups too.

    A restored owner counts on from the wall clock, which is past every number it gave before as
    long as the clock is not set back by more than the age of the backup.
    """
    return max(last + 1, now_microseconds)
