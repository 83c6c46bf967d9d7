"""The outbox: an event commits with the change it tells of, and leaves afterwards.

``emit`` inserts through the caller's session and does nothing else: one event row, and a delivery
row for each destination of the bus. ``Relay`` (``relay.py``) sends what is due and deletes the
rows; what nobody could take after eight tries of its own fault stays as a dead letter.
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.envelope import envelop
from cassini.contracts.resources import Declared, Observed, ServiceName
from cassini.runtime.bus import Bus, handled_event
from cassini.runtime.clock import Clock
from cassini.runtime.database import after_commit
from cassini.runtime.wake import Wake

PENDING, DEAD = "pending", "dead"


class OutboxTables:
    """The two tables, made once in a service's metadata."""

    def __init__(self, metadata: MetaData) -> None:
        self.event = Table(
            "outbox_event",
            metadata,
            Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
            Column("id", String(32), nullable=False, unique=True),
            Column("type", String(64), nullable=False),
            Column("subject", String(32), nullable=False),
            Column("envelope", JSON, nullable=False),
        )
        self.delivery = Table(
            "outbox_delivery",
            metadata,
            Column("event_id", ForeignKey("outbox_event.id"), primary_key=True),
            Column("destination", String(32), primary_key=True),
            Column("state", String(8), nullable=False),
            Column("tries", Integer, nullable=False),
            Column("next_at", Float, nullable=False),
            Column("error", Text),
            Index("outbox_delivery_due", "state", "next_at"),
        )


class Outbox:
    """Where a service puts what it emits."""

    def __init__(
        self, tables: OutboxTables, *, service: ServiceName, bus: Bus, clock: Clock
    ) -> None:
        self.tables = tables
        self.wake = Wake()
        self._service = service
        self._bus = bus
        self._clock = clock

    async def emit(self, session: AsyncSession, message: Declared | Observed) -> None:
        """Put an event in the caller's transaction; the relay sends it after the commit."""
        cause = handled_event.get()
        now = self._clock.now()
        envelope = envelop(
            message,
            event_id=uuid.uuid4().hex,
            source=self._service,
            time=datetime.fromtimestamp(now, UTC),
            traceparent=cause.traceparent if cause else None,
            causationid=cause.id if cause else None,
        )
        destinations = self._bus.destinations(envelope.type)
        if not destinations:
            return
        event = {
            "id": envelope.id,
            "type": envelope.type,
            "subject": envelope.subject,
            "envelope": envelope.model_dump(mode="json"),
        }
        await session.execute(insert(self.tables.event).values(event))
        rows = [
            {
                "event_id": envelope.id,
                "destination": name,
                "state": PENDING,
                "tries": 0,
                "next_at": now,
            }
            for name in destinations
        ]
        await session.execute(insert(self.tables.delivery).values(rows))
        after_commit(session, self.wake.set)
