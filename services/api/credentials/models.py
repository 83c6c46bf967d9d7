"""Credentials that the platform makes itself: an id of the noun ``credential`` and what it is for.

The value is never here: it is in the secrets service, and sealed in the wish until it is stored.
"""

from enum import StrEnum

from sqlmodel import Field

from services.api.tables import ApiTable


class Purpose(StrEnum):
    """What a credential is for, named by the variable that it becomes in the workload."""

    RESOURCE_TOKEN = "SATURN_TOKEN"  # noqa: S105 - the name of a variable
    JUPYTER_TOKEN = "JUPYTER_TOKEN"  # noqa: S105 - the name of a variable


class PlatformCredential(ApiTable, table=True):
    """One credential of one resource."""

    __tablename__ = "platform_credential"

    id: str = Field(primary_key=True, max_length=32)
    resource_id: str = Field(index=True, max_length=32)
    purpose: str = Field(max_length=32)
    generation: int = 0
    """Of its last wish: what a workload that is started now must not be older than."""
