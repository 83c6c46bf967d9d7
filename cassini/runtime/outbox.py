"""The outbox: an event commits with the change it tells of, and leaves afterwards.

``emit`` inserts through the caller's session and does nothing else: one row for each destination
of the bus, nearly always one. ``Relay`` (``relay.py``) sends what is due and deletes the row; what
a reader could not take in eight tries of its own fault stays as a dead letter.
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import event_type
from cassini.contracts.envelope import envelop
from cassini.contracts.resources import Declared, Hint, Observed, ServiceName
from cassini.runtime.bus import Bus, handled_event
from cassini.runtime.clock import Clock
from cassini.runtime.database import after_commit
from cassini.runtime.tracing import Kind, current_traceparent, span
from cassini.runtime.wake import Wake

PENDING, DEAD = "pending", "dead"


def outbox_table(metadata: MetaData) -> Table:
    """Make the table of a service's outgoing events in its metadata."""
    return Table(
        "outbox",
        metadata,
        Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("event_id", String(32), nullable=False),
        Column("destination", String(32), nullable=False),
        Column("subject", String(32), nullable=False),
        Column("envelope", JSON, nullable=False),
        Column("state", String(8), nullable=False),
        Column("tries", Integer, nullable=False),
        Column("next_at", Float, nullable=False),
        Column("error", Text),
        UniqueConstraint("event_id", "destination"),
        Index("outbox_due", "state", "next_at"),
    )


class Outbox:
    """Where a service puts what it emits."""

    def __init__(self, table: Table, *, service: ServiceName, bus: Bus, clock: Clock) -> None:
        self.table = table
        self.wake = Wake()
        self._service = service
        self._bus = bus
        self._clock = clock

    async def emit(self, session: AsyncSession, message: Declared | Observed) -> None:
        """Put an event in the caller's transaction; the relay sends it after the commit."""
        cause = handled_event.get()
        now = self._clock.now()
        name = event_type(message).name
        with span(f"emit {name}", Kind.PRODUCER, event_type=name, resource_id=message.id):
            envelope = envelop(
                message,
                event_id=uuid.uuid4().hex,
                source=self._service,
                time=datetime.fromtimestamp(now, UTC),
                traceparent=current_traceparent(),
                causationid=cause.id if cause else None,
            )
        destinations = self._bus.destinations(envelope.type)
        if not destinations:
            return
        delivery = {
            "event_id": envelope.id,
            "subject": envelope.subject,
            "envelope": envelope.model_dump(mode="json"),
            "state": PENDING,
            "tries": 0,
            "next_at": now,
        }
        rows = [delivery | {"destination": name} for name in destinations]
        with session.no_autoflush:  # the row that it tells of is not read here
            await session.execute(insert(self.table), rows)
        after_commit(session, self.wake.set)

    def hint(self, message: Hint) -> None:
        """Tell every listener at once, beside the outbox; to be called after a commit."""
        event_id, at = uuid.uuid4().hex, datetime.fromtimestamp(self._clock.now(), UTC)
        self._bus.hint(envelop(message, event_id=event_id, source=self._service, time=at))
