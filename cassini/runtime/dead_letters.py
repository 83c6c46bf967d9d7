"""Dead letters: events that were given up, for a person to look at, replay or discard.

In process they are rows of their sender's outbox; with a broker they lie in its queues
(``dead_letters_rabbitmq.py``). Both are named by the id of the event. Replay gives an event all
its tries anew; since readers compare numbers, replaying an old one changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Table, delete, select, update

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.outbox import DEAD, PENDING

MOST_LISTED = 1000


@dataclass(frozen=True)
class DeadLetter:
    """One event that a reader did not take."""

    id: str
    """The event's id, by which it is replayed or discarded."""
    type: str
    subject: str
    reader: str
    """Who gave it up: a service, or the name of its queue."""
    reason: str


class DeadLetters(Protocol):
    """Where dead letters are kept."""

    async def letters(self) -> list[DeadLetter]:
        """Return them, oldest first, ``MOST_LISTED`` at most."""

    async def replay(self, ids: Collection[str] | None) -> int:
        """Deliver them again (None: all); returns how many."""

    async def discard(self, ids: Collection[str] | None) -> int:
        """Remove them for good (None: all); returns how many."""


class OutboxLetters:
    """The dead letters in one service's outbox."""

    def __init__(self, database: Database, table: Table, clock: Clock) -> None:
        self._database = database
        self._table = table
        self._clock = clock

    async def letters(self) -> list[DeadLetter]:
        """Return them, oldest first."""
        table = self._table
        query = select(table).where(table.c.state == DEAD).order_by(table.c.position)
        async with self._database.read() as session:
            rows = (await session.execute(query.limit(MOST_LISTED))).all()
        return [
            DeadLetter(
                id=row.event_id,
                type=row.envelope["type"],
                subject=row.subject,
                reader=row.destination,
                reason=row.error or "",
            )
            for row in rows
        ]

    async def replay(self, ids: Collection[str] | None) -> int:
        """Let the relay send them again; a running one does within seconds."""
        values = {"state": PENDING, "tries": 0, "next_at": self._clock.now()}
        return await self._change(update(self._table).where(*self._which(ids)).values(values))

    async def discard(self, ids: Collection[str] | None) -> int:
        """Remove them."""
        return await self._change(delete(self._table).where(*self._which(ids)))

    def _which(self, ids: Collection[str] | None) -> list[ColumnElement[bool]]:
        dead = [self._table.c.state == DEAD]
        return dead if ids is None else [*dead, self._table.c.event_id.in_(ids)]

    async def _change(self, statement: Any) -> int:
        async with self._database.write() as session:
            result: Any = await session.execute(statement)
            return int(result.rowcount)
