"""Credentials (secret values, kept by the secrets service) and leases (leave to read them).

Values travel sealed only: a credential to the secrets service, a lease's answer to its asker.
"""

from enum import StrEnum
from typing import ClassVar, Literal

from cassini.contracts.resources import (
    Declared,
    Generation,
    Message,
    Observed,
    ResourceId,
    Wanted,
)


class CredentialStatus(StrEnum):
    """The states of a stored value."""

    PENDING = "pending"
    STORED = "stored"
    LOST = "lost"
    """The store does not have the value of the accepted wish (it was restored): set it again."""
    ABSENT = "absent"


class CredentialDeclaredV1(Declared):
    """A value to keep. ``value_id`` is fresh with every value, so the digest tells values apart.

    ``sealed`` is the value sealed to the secrets service; it is left out once the owner has
    observed the generation, so a wish that is emitted again for another reason may lack it.
    """

    UNDIGESTED: ClassVar[frozenset[str]] = frozenset({"sealed"})
    DROPPED_WHEN_OBSERVED: ClassVar[frozenset[str]] = frozenset({"sealed"})

    wanted: Literal[Wanted.PRESENT, Wanted.ABSENT]
    value_id: str
    sealed: str | None = None


class CredentialObservedV1(Observed):
    """What is seen of a stored value. Never the value."""

    status: CredentialStatus


class LeaseStatus(StrEnum):
    """The states of a lease."""

    PENDING = "pending"
    GRANTED = "granted"
    ABSENT = "absent"


class LeasedCredential(Message):
    """A credential to be read at this generation or a later one."""

    credential_id: ResourceId
    minimum_generation: Generation


class LeaseDeclaredV1(Declared):
    """The values that one revision of a workload, or one build, may read."""

    wanted: Literal[Wanted.PRESENT, Wanted.ABSENT]
    credentials: tuple[LeasedCredential, ...] = ()


class LeaseObservedV1(Observed):
    """The answer: ``sealed`` holds a JSON object credential id -> value, sealed to the declarer.

    A re-observation carries no values; ``waiting_for`` names the credentials not yet there.
    """

    status: LeaseStatus
    sealed: str | None = None
    waiting_for: tuple[ResourceId, ...] = ()
