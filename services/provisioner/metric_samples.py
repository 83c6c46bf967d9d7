"""Samples of what pods used: one row a pod, grid and slot of the grid, written once, read in order.

The same sample stands in a fine grid that is kept for hours and in a coarse one that is kept for
days: the first that comes in a slot is kept, so replicas that sample side by side write each once,
and nothing has to be thinned later. Counts in a row are since the pod was made, so a missing row
loses no usage, only when it was. Rows go by their age alone, whether their pod is still there or
not; a pod has at most as many as the grids have slots.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Index, Table, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.provisioner.backends.base import PodUsage
from services.provisioner.metric_series import Sample
from services.provisioner.tables import ProvisionerTable


@dataclass(frozen=True)
class Grid:
    """How close samples are and how long they are kept, in seconds."""

    step: int
    keep: int

    def slot(self, at: float) -> int:
        """Return the slot (its first second) that a moment falls in."""
        return int(at // self.step) * self.step


FINE = Grid(step=15, keep=6 * 3600)
COARSE = Grid(step=300, keep=7 * 24 * 3600)


class MetricSample(ProvisionerTable, table=True):
    """What one pod had used at one moment; what cannot be measured is NULL."""

    __tablename__ = "metric_sample"
    __table_args__ = (Index("metric_sample_age", "step", "slot"),)

    workload_id: str = Field(primary_key=True, max_length=32)
    step: int = Field(primary_key=True)
    slot: int = Field(primary_key=True, sa_type=BigInteger)
    pod_name: str = Field(primary_key=True, max_length=96)
    at: float
    """When it was measured, in Unix seconds."""
    cpu_seconds: float | None
    memory_bytes: int | None = Field(sa_type=BigInteger)
    received_bytes: int | None = Field(sa_type=BigInteger)
    sent_bytes: int | None = Field(sa_type=BigInteger)


_TABLE: Table = MetricSample.__table__  # type: ignore[attr-defined]
_KEY = [column.name for column in _TABLE.primary_key]
_AROUND = 2
"""So many slots before and after a range are read too: what lies across its ends is known then."""


async def write_samples(session: AsyncSession, usages: Iterable[PodUsage], now: float) -> None:
    """Keep what pods have used until now; what another replica was faster with is dropped.

    A pod that was made since the last slot also gets the sample of its beginning, where all its
    counts were zero, so that its first seconds count too.
    """
    rows = []
    for usage in usages:
        for grid in (FINE, COARSE):
            if now - usage.began_at < _AROUND * grid.step:
                rows.append(_row(usage, grid, usage.began_at) | _beginning(usage))
            rows.append(_row(usage, grid, now))
    # In the order of their keys, so that no two replicas wait for each other.
    rows.sort(key=lambda row: [row[name] for name in _KEY])
    # SQLite understands PostgreSQL's words here.
    await session.execute(insert(_TABLE).on_conflict_do_nothing(), rows)


async def read_samples(
    session: AsyncSession, workload_id: str, *, start: float, end: float, now: float
) -> dict[str, list[Sample]]:
    """Return the samples of a workload's pods, oldest first; pods in the order of their first.

    A few before ``start`` and after ``end`` are among them. Where the fine grid is not kept any
    more the coarse one steps in.
    """
    fine_from = FINE.slot(now - FINE.keep)
    found: list[Any] = []
    for grid, lowest, highest in ((COARSE, None, fine_from), (FINE, fine_from, None)):
        since, until = start - _AROUND * grid.step, end + _AROUND * grid.step
        query = (
            select(_TABLE)
            .where(
                col(MetricSample.workload_id) == workload_id,
                col(MetricSample.step) == grid.step,
                col(MetricSample.slot) >= int(since if lowest is None else max(since, lowest)),
                col(MetricSample.slot) < int(until if highest is None else min(until, highest)),
            )
            .order_by(col(MetricSample.at))
        )
        found += (await session.execute(query)).all()
    return _by_pod(found)


async def drop_old_samples(session: AsyncSession, now: float) -> None:
    """Delete the samples that are too old for their grid."""
    for grid in (FINE, COARSE):
        old = col(MetricSample.slot) < grid.slot(now - grid.keep)
        await session.execute(delete(_TABLE).where(col(MetricSample.step) == grid.step, old))


def _by_pod(rows: Sequence[Any]) -> dict[str, list[Sample]]:
    pods: dict[str, list[Sample]] = {}
    for row in rows:
        sample = Sample(
            row.at, row.cpu_seconds, row.memory_bytes, row.received_bytes, row.sent_bytes
        )
        pods.setdefault(row.pod_name, []).append(sample)
    return pods


def _row(usage: PodUsage, grid: Grid, at: float) -> dict[str, Any]:
    return {
        "workload_id": usage.name.workload_id,
        "step": grid.step,
        "slot": grid.slot(at),
        "pod_name": str(usage.name),
        "at": at,
        "cpu_seconds": usage.cpu_seconds,
        "memory_bytes": usage.memory_bytes,
        "received_bytes": usage.received_bytes,
        "sent_bytes": usage.sent_bytes,
    }


def _beginning(usage: PodUsage) -> dict[str, Any]:
    """Return what is other in the sample of a pod's beginning: zero counts, memory not known."""
    counts = ("cpu_seconds", "received_bytes", "sent_bytes")
    zero = {name: 0 for name in counts if getattr(usage, name) is not None}
    return zero | {"memory_bytes": None}
