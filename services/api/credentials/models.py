"""Credentials: those that the platform makes itself, those that people keep, and who gets these.

A value is never here: it is in the secrets service, and sealed in its wish until it is stored. The
id of a row is the id of the noun ``credential``.
"""

from enum import StrEnum

from sqlalchemy import Index, Text, UniqueConstraint
from sqlmodel import Field

from cassini.contracts.credentials import CredentialStatus
from services.api.tables import ApiTable


class PlatformCredential(ApiTable, table=True):
    """The credential of one resource: the token that it uses the API with."""

    __tablename__ = "platform_credential"

    id: str = Field(primary_key=True, max_length=32)
    resource_id: str = Field(unique=True, max_length=32)
    generation: int = 0
    """Of its last wish: what a workload that is started now must not be older than."""


class SecretAccess(StrEnum):
    """Whose resources a secret may be given to."""

    OWNER = "owner"
    ORG = "org"


class Secret(ApiTable, table=True):
    """A value that a person keeps here under a name."""

    __tablename__ = "secret"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: str = Field(primary_key=True, max_length=32)
    owner_id: str = Field(max_length=32)
    name: str = Field(max_length=128)
    access: str = Field(default=SecretAccess.OWNER.value, max_length=16)
    created_at: float
    generation: int = 0
    """Of its last wish; raised with every value."""
    status: str = Field(default=CredentialStatus.PENDING.value, max_length=16)
    message: str | None = Field(default=None, sa_type=Text)


class AttachmentType(StrEnum):
    """What a value becomes in a pod."""

    ENVIRONMENT_VARIABLE = "environment_variable"
    FILE = "file"


class SecretAttachment(ApiTable, table=True):
    """A secret given to a resource; without one: a place that somebody has to fill."""

    __tablename__ = "secret_attachment"
    __table_args__ = (
        UniqueConstraint("resource_id", "attachment_type", "location"),
        Index("secret_attachment_page", "resource_id", "created_at", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    resource_id: str = Field(max_length=32)
    owner_id: str = Field(max_length=32)
    """Whose resource it is."""
    secret_id: str | None = Field(default=None, foreign_key="secret.id", index=True, max_length=32)
    attachment_type: str = Field(max_length=32)
    location: str = Field(max_length=512)
    """The name of the variable, or the absolute path of the file."""
    description: str = Field(default="", max_length=2048)
    created_at: float
