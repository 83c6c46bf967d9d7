"""The declarer's side of the protocol: what this service wished for, and what it was told.

One row for each (noun, id) holds the last wish in full, its numbers, and the newest fact. The
wish is emitted when it changes, and again with back-off until a fact of its generation is seen,
so a lost wish or a restored owner heals; a settled one is emitted again only when nothing was
heard of it for long (``SILENCE_SECONDS``): the owner may have lost its row. A fact from further on
than the row means that this service was restored from a backup: it jumps past the fact's numbers
and declares again. What a wish need not say twice (``DROPPED_WHEN_OBSERVED``) leaves the row when
its generation is observed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import CATALOG, event_type
from cassini.contracts.protocol import SILENCE_SECONDS, FactVerdict, judge_fact
from cassini.contracts.resources import Declared, Observed
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.outbox import Outbox

_FIRST_DELAY, _LONGEST_DELAY = 5.0, 300.0
_BATCH = 100


def declaration_table(metadata: MetaData) -> Table:
    """Make the table of a service's wishes in its metadata."""
    return Table(
        "declaration",
        metadata,
        Column("noun", String(32), primary_key=True),
        Column("id", String(32), primary_key=True),
        Column("generation", Integer, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("type", String(64), nullable=False),
        Column("wish", JSON, nullable=False),
        Column("wish_digest", String(64), nullable=False),
        Column("observed_generation", Integer, nullable=False),
        Column("observed_sequence", BigInteger, nullable=False),
        Column("fact", JSON),
        Column("stray", Boolean, nullable=False),
        Column("emitted_at", Float, nullable=False),
        Column("emit_tries", Integer, nullable=False),  # 0: settled
        Column("emit_at", Float, nullable=False),
        Index("declaration_emit", "emit_at"),
    )


async def list_strays(session: AsyncSession, table: Table) -> list[tuple[str, str]]:
    """Return (noun, id) of all that was found without a wish of this service, for a person."""
    query = select(table.c.noun, table.c.id).where(table.c.stray)
    rows = await session.execute(query.order_by(table.c.noun, table.c.id))
    return [(row.noun, row.id) for row in rows]


@dataclass(frozen=True)
class Numbers:
    """The numbers a new wish must carry, and the wish before it."""

    generation: int
    revision: int
    last: Declared | None = None


@dataclass(frozen=True)
class Taken(FactVerdict):
    """What was done with a fact, and where it was kept the fact in whose place it came."""

    before: Observed | None = None


Make = Callable[[Numbers], Declared]
Remake = Callable[[Declared], Awaitable[Declared]]


class Declarations:
    """The wishes of one service."""

    def __init__(self, table: Table, outbox: Outbox, clock: Clock) -> None:
        self._table = table
        self._outbox = outbox
        self._clock = clock

    async def declare(
        self,
        session: AsyncSession,
        noun: str,
        resource_id: str,
        make: Make,
        *,
        new_revision: bool = False,
    ) -> Declared:
        """Raise the generation (and the revision where asked), keep the wish and emit it."""
        row = await self._row(session, noun, resource_id)
        numbers = Numbers(
            generation=(row.generation if row else 0) + 1,
            revision=(row.revision if row else 0) + int(new_revision),
            last=_wish_of(row) if row else None,
        )
        return await self._store(session, noun, row, make(numbers), numbers)

    async def take(
        self, session: AsyncSession, fact: Observed, *, remake: Remake | None = None
    ) -> Taken:
        """Compare a fact with its wish; keep it, emit the wish again, or jump past it.

        A jump declares the same wish with other numbers. ``remake`` is given that wish and returns
        the one to declare, where more of it belongs to the numbers.

        Returns:
            What was done. ``keep``: the caller acts on the fact. ``unknown``: no such wish.
        """
        noun = event_type(fact).noun
        row = await self._row(session, noun, fact.id)
        verdict = judge_fact(row, fact)
        if row is None:
            return Taken(**vars(verdict))
        if verdict.jump:
            await self._jump(session, noun, row, fact, remake)
        elif values := self._heard(row, fact, verdict):
            await self._update(session, row, **values)
        before = _fact_of(row) if verdict.keep and row.fact is not None else None
        return Taken(**vars(verdict), before=before)

    async def declare_stray(self, session: AsyncSession, fact: Observed, wish: Declared) -> None:
        """Answer for an id that is unknown here: keep a wish marked as stray, for a person."""
        numbers = Numbers(wish.generation, int(getattr(fact, "revision", 0)))
        await self._store(session, event_type(fact).noun, None, wish, numbers, stray=True)

    async def wish(self, session: AsyncSession, noun: str, resource_id: str) -> Declared | None:
        """Return the last wish of an id."""
        row = await self._row(session, noun, resource_id, lock=False)
        return None if row is None else _wish_of(row)

    async def both(
        self, session: AsyncSession, noun: str, resource_id: str
    ) -> tuple[Declared | None, Observed | None]:
        """Return the last wish and the newest fact of an id."""
        row = await self._row(session, noun, resource_id, lock=False)
        if row is None:
            return None, None
        return _wish_of(row), None if row.fact is None else _fact_of(row)

    async def fact(self, session: AsyncSession, noun: str, resource_id: str) -> Observed | None:
        """Return the newest fact of an id."""
        row = await self._row(session, noun, resource_id, lock=False)
        return None if row is None or row.fact is None else _fact_of(row)

    async def emit_due(self, database: Database) -> float | None:
        """Emit again the wishes that are due (one batch); returns the seconds to the next, if any.

        Rows are locked while it emits, so that a replica does not do the same, and no fact that
        settles one of them comes between.
        """
        table, now = self._table, self._clock.now()
        async with database.write() as session:
            due = select(table).where(table.c.emit_at <= now).order_by(table.c.emit_at)
            due = due.limit(_BATCH).with_for_update(skip_locked=True)
            for row in (await session.execute(due)).all():
                await self._outbox.emit(session, _wish_of(row))
                settled = row.emit_tries == 0
                delay = min(_FIRST_DELAY * 2**row.emit_tries, _LONGEST_DELAY)
                await self._update(
                    session,
                    row,
                    emitted_at=now,
                    emit_tries=0 if settled else min(row.emit_tries + 1, 16),
                    emit_at=now + (SILENCE_SECONDS if settled else delay),
                )
            soonest = select(table.c.emit_at).order_by(table.c.emit_at).limit(1)
            at = (await session.execute(soonest)).scalar()
        return None if at is None else float(max(at - self._clock.now(), 0.0))

    async def ask_again(self, database: Database, noun: str) -> None:
        """Emit all wishes of a noun again soon: facts were lost, and a wish is answered by one."""
        table, now = self._table, self._clock.now()
        async with database.write() as session:
            mine = update(table).where(table.c.noun == noun, table.c.emit_at > now)
            await session.execute(mine.values(emit_at=now))

    async def _jump(
        self,
        session: AsyncSession,
        noun: str,
        row: Row[Any],
        fact: Observed,
        remake: Remake | None,
    ) -> None:
        generation = max(row.generation, fact.generation) + 1
        revision = max(row.revision, int(getattr(fact, "revision", 0))) + 1
        wish = _wish_of(row, generation=generation, revision=revision)
        if remake is not None:
            wish = await remake(wish)
        numbers = Numbers(generation, revision)
        await self._store(session, noun, row, wish, numbers, stray=row.stray)

    def _heard(self, row: Row[Any], fact: Observed, verdict: FactVerdict) -> dict[str, Any]:
        """Return what a fact that is not ahead changes in the row; most repeated ones nothing."""
        now = self._clock.now()
        values: dict[str, Any] = {}
        if verdict.keep:
            values["observed_generation"] = fact.generation
            values["observed_sequence"] = fact.sequence
            values["fact"] = fact.model_dump(mode="json")
        if verdict.emit_again:
            values["emit_at"] = max(now, row.emitted_at + _FIRST_DELAY)
            values["emit_tries"] = max(row.emit_tries, 1)
        elif row.emit_tries > 0:
            values |= {"emit_tries": 0, "emit_at": now + SILENCE_SECONDS}
            if dropped := _model_of(row).DROPPED_WHEN_OBSERVED:
                values["wish"] = row.wish | dict.fromkeys(dropped)
        elif row.emit_at < now + SILENCE_SECONDS / 2:
            values["emit_at"] = now + SILENCE_SECONDS
        return values

    async def _store(
        self,
        session: AsyncSession,
        noun: str,
        row: Row[Any] | None,
        wish: Declared,
        numbers: Numbers,
        *,
        stray: bool = False,
    ) -> Declared:
        now, wish = self._clock.now(), wish.stamped()
        values = {
            "generation": numbers.generation,
            "revision": numbers.revision,
            "type": event_type(wish).name,
            "wish": wish.model_dump(mode="json"),
            "wish_digest": wish.wish_digest,
            "stray": stray,
            "emitted_at": now,
            "emit_tries": 1,
            "emit_at": now + _FIRST_DELAY,
        }
        if row is None:
            new = {"noun": noun, "id": wish.id, "observed_generation": 0, "observed_sequence": 0}
            await session.execute(insert(self._table).values(**new, **values))
        else:
            await self._update(session, row, **values)
        await self._outbox.emit(session, wish)
        return wish

    async def _row(
        self, session: AsyncSession, noun: str, resource_id: str, *, lock: bool = True
    ) -> Row[Any] | None:
        table = self._table
        query = select(table).where(table.c.noun == noun, table.c.id == resource_id)
        if lock:
            query = query.with_for_update()
        return (await session.execute(query)).one_or_none()

    async def _update(self, session: AsyncSession, row: Row[Any], **values: Any) -> None:
        table = self._table
        where = (table.c.noun == row.noun, table.c.id == row.id)
        await session.execute(update(table).where(*where).values(**values))


def _model_of(row: Row[Any]) -> type[Declared]:
    return cast(type[Declared], CATALOG[row.type].model)


def _wish_of(row: Row[Any], **changed: Any) -> Declared:
    return _model_of(row).model_validate(row.wish | changed)


def _fact_of(row: Row[Any]) -> Observed:
    fact = CATALOG[row.type.replace(".declared.", ".observed.")].model.model_validate(row.fact)
    return cast(Observed, fact)
