"""The api's side of images: what they are called and whose they are; the builder makes them.

A tag is one version of an image. Its id is the id of the noun ``image``; its status, reference and
digest are copies of the newest fact, so that a page of tags is one query.
"""

from sqlalchemy import JSON, Text, UniqueConstraint
from sqlmodel import Field

from cassini.contracts.images import ImageSpec, ImageStatus
from services.api.tables import ApiTable


class Image(ApiTable, table=True):
    """A named image with its versions."""

    __tablename__ = "image"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: str = Field(primary_key=True, max_length=32)
    owner_id: str = Field(index=True, max_length=32)
    name: str = Field(max_length=128)
    description: str = Field(default="", max_length=2048)
    hardware_type: str = Field(default="CPU", max_length=16)
    supports: list[str] = Field(default_factory=list, sa_type=JSON)
    access: str = Field(default="owner", max_length=16)
    """Who may use it: ``owner``, ``org``, or ``account`` (everybody here)."""
    is_base: bool = False
    trusted: bool = False
    created_at: float


class ImageTag(ApiTable, table=True):
    """One version of an image."""

    __tablename__ = "image_tag"
    __table_args__ = (UniqueConstraint("image_id", "version"),)

    id: str = Field(primary_key=True, max_length=32)
    image_id: str = Field(foreign_key="image.id", max_length=32)
    version: str = Field(max_length=128)
    description: str = Field(default="", max_length=2048)
    image_uri: str = Field(index=True, max_length=512)
    """What people call it; the reference that workloads get is the builder's."""
    builtin: str | None = Field(default=None, max_length=128)
    requirements: str = Field(default="", sa_type=Text)
    archived: bool = False
    is_external: bool = False
    created_at: float
    generation: int = 0
    """The number of the last wish."""
    status: str = Field(default=ImageStatus.PENDING.value, max_length=16)
    reason: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, sa_type=Text)
    reference: str | None = Field(default=None, sa_type=Text)

    @property
    def spec(self) -> ImageSpec:
        """What the builder is to make."""
        return ImageSpec(builtin=self.builtin, requirements=self.requirements)
