"""The provisioner's tables: what is to run, what it reads secrets by, and what it can do."""

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

    def state(self) -> State:
        """Return what was known at the end of the last step."""
        return State.model_validate(self.observed)

    def keep(self, state: State) -> None:
        """Take over what is known now."""
        self.observed = state.model_dump(mode="json")


class WorkloadLease(ProvisionerTable, table=True):
    """Which revision of which workload reads its secrets by which lease."""

    __tablename__ = "workload_lease"

    id: str = Field(primary_key=True, max_length=32)
    workload_id: str = Field(max_length=32, index=True)
    revision: int


class BackendRow(OwnedRow, ProvisionerTable, table=True):
    """The backend of this installation: one row, whose id is made once."""

    __tablename__ = "backend"
