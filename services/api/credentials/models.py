"""Credentials that the platform makes itself: the token that each resource uses the API with.

The value is never here: it is in the secrets service, and sealed in the wish until it is stored.
"""

from sqlmodel import Field

from services.api.tables import ApiTable


class PlatformCredential(ApiTable, table=True):
    """The credential of one resource."""

    __tablename__ = "platform_credential"

    id: str = Field(primary_key=True, max_length=32)
    """The id of the noun ``credential``."""
    resource_id: str = Field(unique=True, max_length=32)
    generation: int = 0
    """Of its last wish: what a workload that is started now must not be older than."""
