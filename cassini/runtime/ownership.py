"""The owner's side of the protocol: the accepted wish, and the last fact given about it.

``OwnedRow`` holds the columns that every owned noun's table has; a service adds its own observed
columns. A handler only accepts (``Ownership.accept``): the work is a reconciler's, which is woken
after the commit. ``observe`` numbers a fact and emits it, and only if it says something new.
A row whose absence was observed stays as a tombstone: it refuses wishes up to its generation.
"""

from typing import Any, Generic, TypeVar, cast

import structlog
from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import CATALOG
from cassini.contracts.protocol import WishVerdict, judge_wish, next_sequence
from cassini.contracts.resources import Declared, Observed
from cassini.runtime.bus import handled_together
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database, after_commit
from cassini.runtime.outbox import Outbox
from cassini.runtime.tracing import current_traceparent
from cassini.runtime.workqueue import WorkQueue

_BATCH = 100
_NUMBERS = {"sequence"}
_STEP_WISH = "cassini_step_wish"
_AHEAD = "cassini_ahead"
_JSON: Any = JSON(none_as_null=True)  # else None is stored as a JSON null, which is not NULL


class OwnedRow(SQLModel):
    """Columns of a row that another service's wish stands in."""

    id: str = Field(primary_key=True, max_length=32)
    declarer: str = Field(max_length=16)
    generation: int = 0
    wish_digest: str = Field(default="", max_length=64)
    wish: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    sequence: int = Field(default=0, sa_type=BigInteger)
    fact: dict[str, Any] | None = Field(default=None, sa_type=_JSON)
    tombstone: bool = False
    due_at: float | None = Field(default=None, index=True)
    """When a reconciler should look at the row; None: when something new comes."""
    asked: int = 0
    """Counts the wake-ups, so that a step knows at its end whether one came meanwhile."""
    claim_token: str | None = Field(default=None, max_length=32)
    claim_expires: float | None = None
    tries: int = 0
    """Failed steps since the last one that worked."""
    surprises: int = 0
    """Those of them that failed by an unknown exception: the eighth is the last."""
    traceparent: str | None = Field(default=None, max_length=55)
    """The trace of the request that the wish came from, until the wish is fulfilled."""


R = TypeVar("R", bound=OwnedRow)


def observe_under(session: AsyncSession, row: OwnedRow, generation: int, digest: str) -> None:
    """Let ``observe`` in this unit of work speak of the wish that a step has read.

    The row may have got a newer one while the step ran, of which the step has seen nothing.
    """
    session.info[_STEP_WISH] = {row.id: (generation, digest)}


class Ownership(Generic[R]):
    """What one service owns of one noun."""

    def __init__(
        self, model: type[R], noun: str, *, outbox: Outbox, clock: Clock, queue: WorkQueue
    ) -> None:
        self.model = model
        self.noun = noun
        self.queue = queue
        self._fact_model = CATALOG[f"{noun}.observed.v1"].model
        self._outbox = outbox
        self._clock = clock
        self._log = structlog.get_logger(__name__).bind(noun=noun)

    async def get(self, session: AsyncSession, resource_id: str) -> R | None:
        """Return the row of an id, locked for this transaction."""
        query = select(self.model).where(col(self.model.id) == resource_id).with_for_update()
        return (await session.exec(query)).one_or_none()

    async def _get_with_others(self, session: AsyncSession, resource_id: str) -> R | None:
        """Return the row of an id, locked; those of wishes handled together in one statement.

        What was fetched ahead serves once: the next wish of the same id looks anew.
        """
        key = f"{_AHEAD} {self.noun}"
        if key not in session.info and resource_id in (ids := handled_together.get()):
            query = select(self.model).where(col(self.model.id).in_(ids))
            locked = query.order_by(col(self.model.id)).with_for_update()
            found = {row.id: row for row in (await session.exec(locked)).all()}
            session.info[key] = {each: found.get(each) for each in ids}
        ahead: dict[str, R | None] = session.info.get(key, {})
        if resource_id in ahead:
            return ahead.pop(resource_id)
        return await self.get(session, resource_id)

    async def accept(
        self, session: AsyncSession, wish: Declared, *, wake_after: float = 0.0
    ) -> tuple[R, WishVerdict]:
        """Keep a wish if it is newer, and wake the reconciler; else say again what is seen.

        ``wake_after`` (seconds) is for a wish whose first step would only find that it must wait
        for an answer which will wake it sooner.
        """
        row = await self._get_with_others(session, wish.id)
        verdict = judge_wish(row, wish)
        if row is None:
            row = self.model(id=wish.id, declarer=wish.declarer)
        if row.declarer != wish.declarer:
            self._log.error("a wish for an id of another declarer was dropped", id=wish.id)
            return row, WishVerdict.STALE
        if verdict is WishVerdict.ACCEPT:
            row.generation = wish.generation
            row.wish = wish.model_dump(mode="json")
            row.wish_digest = wish.digest()
            row.tombstone = False
            row.tries = row.surprises = 0
            row.traceparent = current_traceparent()
            self.wake(session, row, after=wake_after)
        elif row.fact is not None:
            await self._outbox.emit(session, self._said(row))
        session.add(row)
        return row, verdict

    def wake(self, session: AsyncSession, row: R, *, after: float = 0.0) -> None:
        """Let a reconciler look at the row after so many seconds, or sooner if it is due sooner."""
        at = self._clock.now() + after
        row.due_at = at if row.due_at is None else min(row.due_at, at)
        row.asked += 1
        key = row.id
        after_commit(session, lambda: self.queue.add(key, after=after))

    async def retry_failed(self, database: Database) -> None:
        """Have all rows whose last step failed looked at now: what they need is there again."""
        table = self.model
        waiting = select(table.id).where(col(table.due_at).is_not(None), col(table.tries) > 0)
        async with database.read() as session:
            for key in (await session.exec(waiting)).all():
                self.queue.add(key)

    async def observe(self, session: AsyncSession, row: R, **seen: Any) -> bool:
        """Say what is seen of a row's resource; returns whether it was news.

        ``seen`` are the fact's own fields; the numbers and the declarer are the row's (in a step:
        of the wish the step has read).
        """
        wish = (row.generation, row.wish_digest)
        generation, digest = session.info.get(_STEP_WISH, {}).get(row.id, wish)
        numbers = {
            "id": row.id,
            "declarer": row.declarer,
            "generation": generation,
            "sequence": 0,
            "wish_digest": digest,
        }
        fact = self._fact_model.model_validate(numbers | seen)
        said = fact.model_dump(mode="json")
        if row.fact is not None and _same(said, row.fact):
            return False
        row.sequence = self._next_sequence(row)
        fact = fact.model_copy(update={"sequence": row.sequence})
        row.fact = _unsealed(fact.model_dump(mode="json"))
        session.add(row)
        await self._outbox.emit(session, cast(Observed, fact))
        return True

    async def observe_again(self, database: Database, *, renumber: bool = False) -> int:
        """Say again what was seen of every row, in the order of ids; returns how many.

        With the same numbers: a declarer that has them changes nothing, one that was restored
        from a backup learns how far it is behind. The first time after a start with new numbers
        (``renumber``): should this side be the restored one, the declarer has seen greater
        numbers already and would never believe the old ones. Facts that carried sealed values
        keep theirs, for they would be news without the values.
        """
        count, last = 0, ""
        while True:
            async with database.write() as session:
                table = self.model
                query = select(table).where(col(table.id) > last, col(table.fact).is_not(None))
                query = query.order_by(col(table.id)).limit(_BATCH).with_for_update()
                rows = (await session.exec(query)).all()
                for row in rows:
                    if renumber and row.fact is not None and "sealed" not in row.fact:
                        row.sequence = self._next_sequence(row)
                        row.fact = row.fact | {"sequence": row.sequence}
                        session.add(row)
                    await self._outbox.emit(session, self._said(row))
            if not rows:
                return count
            count, last = count + len(rows), rows[-1].id

    def _next_sequence(self, row: R) -> int:
        return next_sequence(row.sequence, int(self._clock.now() * 1_000_000))

    def _said(self, row: R) -> Observed:
        return cast(Observed, self._fact_model.model_validate(row.fact))


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = one.keys() | other.keys()
    return all(one.get(key) == other.get(key) for key in keys - _NUMBERS)


def _unsealed(fact: dict[str, Any]) -> dict[str, Any]:
    """Leave sealed values out of what is kept: a re-observation carries none."""
    return fact | {"sealed": None} if "sealed" in fact else fact
