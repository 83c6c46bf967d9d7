"""The relay: sends what the outbox holds, and only it talks to the bus.

Each round takes up to 128 deliveries that are due, oldest first and at most one for each
destination and subject, so that one reader sees one resource's events in order where nothing
fails. Of the wishes of one subject only the newest is sent: a wish is full, and after an outage
many wait that nobody wants any more. No session is open while it waits for the bus. What was taken
is deleted, what was not is due again later: without limit when the other side could not be reached,
eight times when the reader failed by itself; then the row stays as a dead letter for a person to
look at. While the bus is not connected nothing is tried, so that no row is in back-off when it
comes back.

A kill between sending and deleting sends again: readers compare numbers, so it changes nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, delete, func, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import Declared
from cassini.runtime.bus import Bus
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database, is_outage
from cassini.runtime.deliveries import MOST_TRIES, backoff, is_outside, outage_backoff, told
from cassini.runtime.instruments import sending
from cassini.runtime.outbox import DEAD, PENDING, Outbox

_BATCH = 128
_LOOK_AGAIN_SECONDS = 5.0
"""How often to look without being woken: a hint can be lost when a commit's process dies."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Delivery:
    position: int
    destination: str
    tries: int
    envelope: Envelope


@dataclass(frozen=True)
class _Failure:
    delivery: _Delivery
    error: Exception

    @property
    def is_final(self) -> bool:
        """Whether the reader failed by itself for the last time."""
        return not is_outside(self.error) and self.delivery.tries + 1 >= MOST_TRIES


class Relay:
    """Moves one service's events from its outbox to the bus."""

    def __init__(self, database: Database, outbox: Outbox, bus: Bus, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._table = outbox.table
        self._bus = bus
        self._clock = clock
        self._round = asyncio.Lock()
        self._more = False
        self._retry_at = float("inf")

    async def run(self) -> None:
        """Send what is due, for ever; ends when cancelled, between two rounds."""
        while True:
            await self._bus.until_open()
            try:
                await asyncio.shield(asyncio.ensure_future(self.send_due()))
            except Exception as error:
                if not is_outage(error):
                    raise
                _log.warning("the outbox cannot be read", error=str(error))
                self._more = False
            if not self._more:
                retry = max(self._retry_at - self._clock.now(), 0.0)
                await self._outbox.wake.wait(min(retry, _LOOK_AGAIN_SECONDS))

    async def finish(self) -> None:
        """Wait for the round under way, so that what was sent is also marked."""
        async with self._round:
            pass

    async def send_due(self) -> int:
        """Send one batch; returns how many were due."""
        async with self._round:
            self._retry_at = float("inf")
            async with self._database.read() as session:
                rows = await self._due(session)
            if not rows:
                return 0
            superseded = _superseded(rows)
            batch = self._choose([row for row in rows if row.position not in superseded])
            outcomes = await asyncio.gather(*(self._send(delivery) for delivery in batch))
            failures = [outcome for outcome in outcomes if outcome is not None]
            failed = {failure.delivery.position for failure in failures}
            taken = [each.position for each in batch if each.position not in failed]
            async with self._database.write() as session:
                await self._mark(session, [*superseded, *taken], failures)
            return len(batch)

    async def pending(self) -> int:
        """Return how many deliveries are still to be made, dead letters left out."""
        async with self._round, self._database.read() as session:
            table = self._table
            count = select(func.count()).select_from(table).where(table.c.state == PENDING)
            return int((await session.execute(count)).scalar_one())

    async def _due(self, session: AsyncSession) -> Sequence[Row[Any]]:
        table = self._table
        due = (table.c.state == PENDING, table.c.next_at <= self._clock.now())
        query = select(table).where(*due).order_by(table.c.position).limit(_BATCH)
        rows = (await session.execute(query)).all()
        self._more = len(rows) == _BATCH
        return rows

    def _choose(self, rows: Sequence[Row[Any]]) -> list[_Delivery]:
        """Return the first delivery of each destination and subject."""
        first: dict[tuple[str, str], Row[Any]] = {}
        for row in rows:
            first.setdefault((row.destination, row.subject), row)
        self._more = self._more or len(first) < len(rows)
        return [
            _Delivery(row.position, row.destination, row.tries, Envelope(**row.envelope))
            for row in first.values()
        ]

    async def _send(self, delivery: _Delivery) -> _Failure | None:
        try:
            with sending(delivery.envelope):
                await self._bus.send(delivery.destination, delivery.envelope)
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery is tried again
            return _Failure(delivery, error)
        return None

    async def _mark(
        self, session: AsyncSession, taken: list[int], failures: list[_Failure]
    ) -> None:
        table = self._table
        if taken:
            await session.execute(delete(table).where(table.c.position.in_(taken)))
        for failure in failures:
            each = failure.delivery
            wait = outage_backoff if is_outside(failure.error) else backoff
            retry_at = self._clock.now() + wait(each.tries)
            self._retry_at = min(self._retry_at, retry_at)
            values = {
                "tries": each.tries + 1,
                "next_at": retry_at,
                "error": told(failure.error),
                "state": DEAD if failure.is_final else PENDING,
            }
            where = table.c.position == each.position
            await session.execute(update(table).where(where).values(values))
            _log.warning(
                "an event was not taken",
                type=each.envelope.type,
                subject=each.envelope.subject,
                destination=each.destination,
                given_up=failure.is_final,
                error=values["error"],
            )


def _superseded(rows: Sequence[Row[Any]]) -> set[int]:
    """Return the positions of wishes after which a newer one of the same subject comes."""
    newest: dict[tuple[str, str, str], int] = {}
    wishes = [row for row in rows if _is_wish(row)]
    for row in wishes:
        newest[row.destination, row.subject, row.envelope["type"]] = row.position
    return {row.position for row in wishes} - set(newest.values())


def _is_wish(row: Row[Any]) -> bool:
    return issubclass(CATALOG[row.envelope["type"]].model, Declared)
