"""Ids, numbers and the two base messages: a wish (``declared``) and a fact (``observed``).

A wish is the full state its declarer wants; a fact is the full state its owner sees. Messages may
come late, twice, swapped or never: the numbers tell the reader what to keep (``protocol.py``).
"""

import hashlib
import json
import uuid
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ResourceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""32 lower-case hex digits: a UUID without dashes, as Saturn Cloud's ids are."""

Generation = Annotated[int, Field(ge=0)]
"""Orders the wishes of one id; raised by the declarer with every change. 0: no wish is known."""

Revision = Annotated[int, Field(ge=0)]
"""What processes are made from; raised by start, restart and rollout, not by stop or scale."""

Sequence = Annotated[int, Field(ge=0)]
"""Orders the facts of one id: at least the owner's last one + 1 and at least Unix microseconds."""


def new_id() -> str:
    """Return a fresh random resource id."""
    return uuid.uuid4().hex


class ServiceName(StrEnum):
    """The five services."""

    API = "api"
    SCHEDULER = "scheduler"
    BUILDER = "builder"
    SECRETS = "secrets"
    PROVISIONER = "provisioner"


class Wanted(StrEnum):
    """The states a declarer can wish for; which of them a noun knows is in its own message."""

    RUNNING = "running"
    STOPPED = "stopped"
    PRESENT = "present"
    ABSENT = "absent"


class Message(BaseModel):
    """Base of all that travels: immutable, and tolerant of fields a newer sender knows."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Declared(Message):
    """A wish: everything its declarer wants of one id, as of ``generation``.

    ``digest`` tells two wishes of the same generation apart. They can only meet when the declarer
    was restored from a backup and counted on from there; the owner keeps the one it accepted and
    says its digest, and the declarer jumps past it. The digest travels with the wish: an owner of
    another release, which knows fewer fields or more, could not compute the same one.
    """

    UNDIGESTED: ClassVar[frozenset[str]] = frozenset()
    """Fields that take no part in the digest: sealed texts, which differ with each sealing."""

    DROPPED_WHEN_OBSERVED: ClassVar[frozenset[str]] = frozenset()
    """Fields that leave the declarer's row once the owner has accepted the wish."""

    id: ResourceId
    declarer: ServiceName
    generation: Generation
    wish_digest: str = ""
    """What the declarer computed; empty only in a wish that was not emitted yet."""

    def digest(self) -> str:
        """Return the digest the wish carries, else the SHA-256 (hex) of its canonical JSON."""
        if self.wish_digest:
            return self.wish_digest
        left_out = self.UNDIGESTED | {"wish_digest"}
        content: dict[str, Any] = self.model_dump(mode="json", exclude=set(left_out))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def stamped(self) -> Self:
        """Return the wish with its digest computed anew and written into it."""
        bare = self.model_copy(update={"wish_digest": ""})
        return bare.model_copy(update={"wish_digest": bare.digest()})


class Observed(Message):
    """A fact: everything its owner sees of one id, under the wish it accepted.

    ``generation`` is the accepted wish, not a fulfilled one: fulfilment is told by ``status``.
    ``reason`` is one CamelCase word for machines, ``message`` a sentence for people.
    """

    id: ResourceId
    declarer: ServiceName
    generation: Generation
    sequence: Sequence
    wish_digest: str = ""
    reason: str | None = None
    message: str | None = None


class Hint(Message):
    """Something changed: no state, no numbers, and it may be lost. Told to every replica."""

    id: ResourceId


class Condition(Message):
    """One side of a state, after Kubernetes' conditions: what, whether, since when and why."""

    type: str
    status: bool
    reason: str | None = None
    message: str | None = None
    last_transition_time: float | None = None
