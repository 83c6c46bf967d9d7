"""The secrets service's tables: whom it keeps values for, and who may read them. Never a value."""

from sqlmodel import Field

from cassini.contracts.credentials import LeaseStatus
from cassini.runtime.ownership import OwnedRow
from services.secrets.tables import SecretsTable


class Credential(OwnedRow, SecretsTable, table=True):
    """A value to keep; the value itself is in the store, its sealed text in ``wish`` until then."""

    __tablename__ = "credential"


class Lease(OwnedRow, SecretsTable, table=True):
    """Leave to read some credentials."""

    __tablename__ = "lease"

    status: str = Field(default=LeaseStatus.PENDING, max_length=16, index=True)
