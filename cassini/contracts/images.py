"""Images: a Python environment, built once and named by the digest of what it holds."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import model_validator

from cassini.contracts.resources import Declared, Message, Observed, Wanted


class ImageStatus(StrEnum):
    """Saturn's build states, and what an owner adds."""

    PENDING = "pending"
    BUILDING = "building"
    BUILT = "built"
    ERROR = "error"
    STOPPING = "stopping"
    ABSENT = "absent"


class ImageSpec(Message):
    """What an image holds: one of the platform's own, or what is put together here, in this order.

    A builder refuses what its backend cannot do: only images of containers have another base,
    Debian packages, conda or a script.
    """

    builtin: str | None = None
    base_image: str | None = None
    """The container image it stands on; the builder's own choice where none is named."""
    apt: tuple[str, ...] = ()
    """Debian packages, by name."""
    environment_yml: str = ""
    """A conda environment file."""
    requirements: str = ""
    """pip requirements, one a line."""
    post_build: str = ""
    """The user's own bash, run at the end of the build as the user of the image."""

    @property
    def extras(self) -> tuple[str, ...]:
        """The names of the fields that only images of containers can have, where they are set."""
        names = ("base_image", "apt", "environment_yml", "post_build")
        return tuple(name for name in names if getattr(self, name))

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        made = bool(self.requirements or self.extras)
        if (self.builtin is not None) == made:
            raise ValueError("an image is either built in or made of what it is said to hold")
        return self


class ImageDeclaredV1(Declared):
    """One version of an image to build and keep."""

    wanted: Literal[Wanted.PRESENT, Wanted.ABSENT]
    spec: ImageSpec


class ImageObservedV1(Observed):
    """What is seen of an image version; ``reference`` is what a workload's wish names."""

    status: ImageStatus
    reference: str | None = None
    digest: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
