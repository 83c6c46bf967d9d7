"""The provisioner's tables: what is to run, and what it can do."""

from typing import Any

from sqlalchemy import JSON
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
