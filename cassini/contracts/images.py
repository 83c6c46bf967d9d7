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
    """What an image holds: one of the platform's own, or pip requirements (one a line)."""

    builtin: str | None = None
    requirements: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.builtin is None) == (self.requirements == ""):
            raise ValueError("an image is either built in or made of requirements")
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
