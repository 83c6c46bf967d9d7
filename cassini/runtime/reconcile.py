"""The reconcile loop: claim a row, take one step outside any transaction, settle.

A row is claimed by token and expiry, so of any number of replicas one works on it; the claim is
renewed while the step runs. A step reads the row it was given, calls the outside, and writes
through its ``Claim``: every write is guarded by id and token, and where no row answers to both
the result is thrown away (``ClaimLost``). A newer wish that came while the step ran makes its
ending void: it is about a wish that is no more, and the next step begins at once. ``due_at``
makes the work durable: it stays until the step has settled, and is then set to what the step
says, unless a handler asked meanwhile (``asked`` counts that). A step never waits for the world:
it says when to come back.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database, is_outage
from cassini.runtime.deliveries import backoff
from cassini.runtime.errors import BackendError, CassiniError, GiveUp, Retry
from cassini.runtime.instruments import StepOutcome, stepping
from cassini.runtime.ownership import OwnedRow, Ownership, observe_under

R = TypeVar("R", bound=OwnedRow)

_CLAIM_SECONDS = 12.0
"""How long the rows of a replica that died stay taken. Not less: what it asked of the outside just
before may still come to pass, and a replica that is only slow must get its renewals through."""
_LOOK_AGAIN_SECONDS = 5.0
_MOST_TRIES = 8
_BATCH = 200

_log = structlog.get_logger(__name__)


class ClaimLost(Exception):
    """Somebody else has the row now: the result of this step is thrown away."""


@dataclass(frozen=True)
class Settled(Generic[R]):
    """How a step ends: what to write, and when to look again (None: when something new comes)."""

    again: float | None = None
    write: Callable[[AsyncSession, R], Awaitable[None]] | None = None


class Claim(Generic[R]):
    """The right to work on one row, and the row as it was when claimed."""

    def __init__(self, database: Database, ownership: Ownership[R], row: R, token: str) -> None:
        self.row = row
        self.token = token
        self.asked = row.asked
        self.generation = row.generation
        self.wish_digest = row.wish_digest
        self._database = database
        self._ownership = ownership

    @asynccontextmanager
    async def write(self) -> AsyncIterator[tuple[AsyncSession, R]]:
        """Open a transaction on the claimed row; facts told in it are of the wish as claimed.

        Raises:
            ClaimLost: the row is not this claim's any more.
        """
        async with self._database.write() as session:
            row = await self._ownership.get(session, self.row.id)
            if row is None or row.claim_token != self.token:
                raise ClaimLost
            observe_under(session, row, self.generation, self.wish_digest)
            yield session, row
            session.add(row)
        self.row = row


Step = Callable[[Claim[R]], Awaitable[Settled[R]]]
Failed = Callable[[AsyncSession, R, CassiniError, bool], Awaitable[None]]


class Reconciler(Generic[R]):
    """Drives the rows of one noun towards their wishes."""

    def __init__(
        self,
        database: Database,
        ownership: Ownership[R],
        *,
        step: Step[R],
        failed: Failed[R],
        clock: Clock,
        workers: int = 8,
    ) -> None:
        """``failed(session, row, error, is_final)`` writes a failure's reason into the fact."""
        self._database = database
        self._ownership = ownership
        self._queue = ownership.queue
        self._model = ownership.model
        self._step = step
        self._failed = failed
        self._clock = clock
        self._workers = workers

    async def run(self) -> None:
        """Work for ever; when cancelled, the steps under way come to their end first."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_for_due())
            for _ in range(self._workers):
                group.create_task(self._work())

    async def clear_claims(self) -> None:
        """Drop every claim: for the one process that holds the data's lock, at its start."""
        async with self._database.write() as session:
            table = self._model
            where = col(table.claim_token).is_not(None)
            values = {"claim_token": None, "claim_expires": None}
            await session.execute(update(table).where(where).values(values))

    async def reconcile(self, key: str) -> float | None:
        """Take one step for a row; returns the seconds until the next, None when settled."""
        claim = await self._claim(key)
        if claim is None:
            return None
        renewal = asyncio.create_task(self._renew(claim))
        try:
            with stepping(self._ownership.noun, claim.row) as outcome:
                return await self._take_step(claim, outcome)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _take_step(self, claim: Claim[R], outcome: StepOutcome) -> float | None:
        try:
            again = await self._settle(claim, await self._step(claim))
        except ClaimLost:
            outcome.name = outcome.CLAIM_LOST
            return None
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and is_outage(error):
                raise
            return await self._fail(claim, error, outcome)
        outcome.name = outcome.SETTLED
        return again

    async def _look_for_due(self) -> None:
        """Find rows that nobody was told of: after a crash, or woken by another replica."""
        while True:
            try:
                async with self._database.read() as session:
                    for key in (await session.exec(self._due())).all():
                        self._queue.add(key)
            except Exception as error:
                if not is_outage(error):
                    raise
                _log.warning("rows that are due cannot be read", error=str(error))
            await self._clock.sleep(_LOOK_AGAIN_SECONDS)

    def _due(self) -> SelectOfScalar[str]:
        table, now = self._model, self._clock.now()
        free = or_(col(table.claim_token).is_(None), col(table.claim_expires) < now)
        query = select(table.id).where(col(table.due_at) <= now, free)
        return query.order_by(col(table.due_at)).limit(_BATCH)

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            step = asyncio.ensure_future(self._reconcile_safely(key))
            try:
                again = await asyncio.shield(step)
            except asyncio.CancelledError:
                await step
                raise
            finally:
                self._queue.done(key)
            if again is not None:
                self._queue.add(key, after=again)

    async def _reconcile_safely(self, key: str) -> float | None:
        """Keep one row's trouble from the others; its claim expires, and then it is due again."""
        try:
            return await self.reconcile(key)
        except Exception as error:  # noqa: BLE001 - nothing can be written about it now
            surprise = None if is_outage(error) else error
            _log.warning("a row cannot be worked on", id=key, error=str(error), exc_info=surprise)
            return _LOOK_AGAIN_SECONDS

    async def _claim(self, key: str) -> Claim[R] | None:
        now, token = self._clock.now(), uuid.uuid4().hex
        async with self._database.write() as session:
            row = await self._ownership.get(session, key)
            if row is None or (row.claim_token is not None and (row.claim_expires or 0) > now):
                return None
            row.claim_token, row.claim_expires = token, now + _CLAIM_SECONDS
            session.add(row)
        return Claim(self._database, self._ownership, row, token)

    async def _renew(self, claim: Claim[R]) -> None:
        table = self._model
        mine = (col(table.id) == claim.row.id, col(table.claim_token) == claim.token)
        while True:
            await self._clock.sleep(_CLAIM_SECONDS / 3)
            expires = self._clock.now() + _CLAIM_SECONDS
            try:
                async with self._database.write() as session:
                    await session.execute(update(table).where(*mine).values(claim_expires=expires))
            except Exception as error:
                if not is_outage(error):
                    raise
                _log.warning("a claim cannot be renewed now", id=claim.row.id, error=str(error))

    async def _settle(self, claim: Claim[R], settled: Settled[R]) -> float | None:
        async with claim.write() as (session, row):
            if row.generation == claim.generation:
                if settled.write is not None:
                    await settled.write(session, row)
                row.tries = row.surprises = 0
            return self._release(claim, row, settled.again)

    async def _fail(self, claim: Claim[R], error: Exception, outcome: StepOutcome) -> float | None:
        outside = isinstance(error, Retry | BackendError)
        counted = not outside and not isinstance(error, GiveUp)
        final = not outside and (not counted or claim.row.surprises + 1 >= _MOST_TRIES)
        outcome.name = outcome.GIVEN_UP if final else outcome.FAILED
        reason = error if isinstance(error, CassiniError) else _surprise(error)
        _log.warning(
            "a step failed",
            table=self._model.__tablename__,
            id=claim.row.id,
            error=reason.message,
            given_up=final,
            exc_info=None if isinstance(error, CassiniError) else error,
            **reason.context,
        )
        again = error.after if isinstance(error, Retry) else backoff(claim.row.tries + 2)
        try:
            async with claim.write() as (session, row):
                if row.generation == claim.generation:
                    await self._failed(session, row, reason, final)
                    row.tries += 1
                    row.surprises += int(counted)
                return self._release(claim, row, None if final else again)
        except ClaimLost:
            outcome.name = outcome.CLAIM_LOST
            return None

    def _release(self, claim: Claim[R], row: R, again: float | None) -> float | None:
        """Give the claim back; come again at once if somebody asked while the step ran."""
        row.claim_token = row.claim_expires = None
        if row.asked != claim.asked:
            return 0.0
        row.due_at = None if again is None else self._clock.now() + again
        if again is None:
            row.traceparent = None  # what comes later is not what that request has asked for
        return again


def _surprise(error: Exception) -> CassiniError:
    return CassiniError(f"unexpected {type(error).__name__}: {error}", code="unexpected")
