"""The secrets that resources are given: what a start is made from, and what it waits for.

A start is made from the secrets as they are then; the digest of these, in the resource's row, tells
later whether others are attached now or one has another value (``require_restart``). A place that
nobody filled refuses the start: what runs would fail for want of the value, and less clearly.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import CredentialStatus
from cassini.contracts.workloads import SecretFile, SecretVariable
from cassini.runtime.errors import Conflict
from services.api.credentials.models import AttachmentType, Secret, SecretAttachment
from services.api.credentials.secrets import lock_secrets
from services.api.resources.models import Workspace
from services.api.resources.status import Seen, held_by_secrets

MOST = 64
"""How many secrets one resource may be given."""

_NOUNS = {
    AttachmentType.ENVIRONMENT_VARIABLE: "environment variable",
    AttachmentType.FILE: "file",
}


@dataclass(frozen=True)
class Attached:
    """A place in a resource, and the secret that fills it, if one does."""

    place: SecretAttachment
    secret: Secret | None


@dataclass(frozen=True)
class Given:
    """All that one resource is given."""

    places: Sequence[Attached] = ()

    @property
    def filled(self) -> Sequence[tuple[SecretAttachment, Secret]]:
        """The places that have a secret, in an order that is always the same."""
        found = [(each.place, each.secret) for each in self.places if each.secret is not None]
        return sorted(found, key=lambda pair: (pair[0].attachment_type, pair[0].location))

    def digest(self) -> str:
        """Return the SHA-256 of what a start would be given; empty where that is nothing."""
        content = [
            (place.attachment_type, place.location, secret.id, secret.generation)
            for place, secret in self.filled
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest() if content else ""

    def variables(self) -> tuple[SecretVariable, ...]:
        """Return the environment variables of a start."""
        return tuple(
            SecretVariable(
                variable=place.location,
                credential_id=secret.id,
                minimum_generation=secret.generation,
            )
            for place, secret in self.filled
            if place.attachment_type == AttachmentType.ENVIRONMENT_VARIABLE
        )

    def files(self) -> tuple[SecretFile, ...]:
        """Return the files of a start."""
        return tuple(
            SecretFile(
                path=place.location, credential_id=secret.id, minimum_generation=secret.generation
            )
            for place, secret in self.filled
            if place.attachment_type == AttachmentType.FILE
        )

    def require_filled(self, name: str) -> None:
        """Make sure that a resource of this name has a secret at every place.

        Raises:
            Conflict: it has not; the message says where, and what is to stand there.
        """
        empty = [each.place for each in self.places if each.secret is None]
        if empty:
            listed = "; ".join(_described(place) for place in empty)
            raise Conflict(
                f"{name} cannot start before these have a secret: {listed}. Attach one to each, or "
                "take the attachment away.",
                code="secret_missing",
            )

    def waiting(self) -> Seen | None:
        """Return the state of a start that waits for values; None: all of them are stored."""
        by_id = {secret.id: secret for _, secret in self.filled}
        late = (each for each in by_id.values() if each.status != CredentialStatus.STORED)
        missing = sorted(late, key=lambda each: each.name)
        if not missing:
            return None
        lost = [each.name for each in missing if each.status == CredentialStatus.LOST]
        why = next((each.message for each in missing if each.message), None)
        return held_by_secrets(lost, [each.name for each in missing], why)


NOTHING = Given()


async def given_to(session: AsyncSession, resource_ids: Collection[str]) -> Mapping[str, Given]:
    """Return what resources are given, in two queries; those that are given nothing are left out.

    Whoever holds the resources' rows may decide by it about a start, without holding the secrets:
    a change of a secret takes, after it, each resource that was given it, and looks again.
    """
    of_these = col(SecretAttachment.resource_id).in_(resource_ids)
    ordered = (col(SecretAttachment.created_at), col(SecretAttachment.id))
    query = select(SecretAttachment).where(of_these).order_by(*ordered)
    by_resource: dict[str, list[Attached]] = defaultdict(list)
    for each in await with_secrets(session, (await session.exec(query)).all()):
        by_resource[each.place.resource_id].append(each)
    return {resource_id: Given(attached) for resource_id, attached in by_resource.items()}


async def with_secrets(session: AsyncSession, places: Sequence[SecretAttachment]) -> list[Attached]:
    """Return places with the secrets that fill them, in one query."""
    ids = {place.secret_id for place in places if place.secret_id is not None}
    if not ids:
        return [Attached(place, None) for place in places]
    query = select(Secret).where(col(Secret.id).in_(ids))
    found = (await session.exec(query.execution_options(populate_existing=True))).all()
    secrets = {secret.id: secret for secret in found}
    return [Attached(place, secrets.get(place.secret_id or "")) for place in places]


async def lock_secrets_of(
    session: AsyncSession, *where: ColumnElement[bool], more: Collection[str] = ()
) -> None:
    """Lock the secrets of workspaces, and some more by their ids, before the workspaces are."""
    attached = (
        select(SecretAttachment.secret_id)
        .join(Workspace, col(SecretAttachment.resource_id) == col(Workspace.id))
        .where(*where)
    )
    await lock_secrets(session, col(Secret.id).in_(attached) | col(Secret.id).in_(more))


async def take_all_from(session: AsyncSession, resource_id: str) -> None:
    """Forget what a resource was given."""
    await session.exec(
        delete(SecretAttachment).where(col(SecretAttachment.resource_id) == resource_id)
    )


def _described(place: SecretAttachment) -> str:
    noun = _NOUNS[AttachmentType(place.attachment_type)]
    why = f" ({place.description[:200]})" if place.description else ""
    return f"the {noun} {place.location}{why}"
