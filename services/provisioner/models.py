"""The provisioner's tables: what is to run, what it can do, and what printed what is gone."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field

from cassini.runtime.ownership import OwnedRow
from services.provisioner.state import State
from services.provisioner.tables import ProvisionerTable


class Workload(OwnedRow, ProvisionerTable, table=True):
    """One workload."""

    __tablename__ = "workload"

    observed: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """The state of ``state.py``: attempts meant to exist, failures counted, verdicts given."""
    leases: list[int] = Field(default_factory=list, sa_type=JSON)
    """The revisions that hold a lease."""
    lease_id: str | None = Field(default=None, max_length=32, index=True)
    """The lease of the newest of them."""

    def state(self) -> State:
        """Return what was known at the end of the last step."""
        return State.model_validate(self.observed)

    def keep(self, state: State) -> None:
        """Take over what is known now."""
        self.observed = state.model_dump(mode="json")


class BackendRow(OwnedRow, ProvisionerTable, table=True):
    """The backend of this installation: one row, whose id is made once."""

    __tablename__ = "backend"


class LogChunk(ProvisionerTable, table=True):
    """Some lines that a pod printed which was removed since (``archive.py``)."""

    __tablename__ = "log_chunk"
    __table_args__ = (
        Index("log_chunk_of", "workload_id", "pod", "kept_at"),
        Index("log_chunk_age", "kept_at"),
    )

    pod: str = Field(primary_key=True, max_length=96)
    first: int = Field(primary_key=True, sa_type=BigInteger)
    """The number of its first line."""
    workload_id: str = Field(max_length=32)
    lines: int
    size: int
    """Its bytes before they were compressed."""
    kept_at: float
    content: bytes
    """Lines as ``lines.py`` writes them, compressed with zlib."""
