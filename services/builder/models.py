"""The builder's table: the image versions it was asked for and what became of them."""

from sqlmodel import Field

from cassini.runtime.ownership import OwnedRow
from services.builder.tables import BuilderTable


class Image(OwnedRow, BuilderTable, table=True):
    """One version of an image."""

    __tablename__ = "image"

    digest: str | None = Field(default=None, max_length=64)
    """Of what was resolved for ``resolved_generation``; kept so that a build started again after
    a crash makes the same image."""
    resolved_generation: int = 0
    lock: str = ""
    python: str = ""
    platform: str = ""
    base: str = Field(default="", max_length=1024)
    """The container image it stands on, by content; empty where images are environments."""
    started_at: float | None = None
    finished_at: float | None = None
