"""Giving secrets to resources: one path for ``…/secrets`` and for recipes.

The caller has locked the resource and the secrets; ``took`` lets the resource follow, once all is
as it is to be.
"""

from typing import NamedTuple

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Conflict, Invalid
from services.api.context import ApiContext
from services.api.credentials.models import AttachmentType, SecretAttachment
from services.api.resources.checks import secret_path, secret_variable
from services.api.resources.lifecycle import Lifecycle
from services.api.resources.models import Workspace
from services.api.resources.secrets import MOST


class Place(NamedTuple):
    """Where in a pod a value stands."""

    attachment_type: str
    location: str


def place_of(attachment_type: str, location: str, *, field: str = "location") -> Place:
    """Return a place in the one form that each has: paths are absolute.

    Raises:
        Invalid: it is none that a secret may have; the message begins with the field.
    """
    is_file = attachment_type == AttachmentType.FILE
    try:
        checked = secret_path(location) if is_file else secret_variable(location)
    except ValueError as error:
        raise Invalid(f"{field}: {error}", code="bad_location") from None
    return Place(attachment_type, checked)


async def attach(
    session: AsyncSession,
    api: ApiContext,
    row: Workspace,
    place: Place,
    *,
    secret_id: str | None,
    description: str,
) -> SecretAttachment:
    """Make a place in a resource, and fill it if there is a secret.

    Raises:
        Conflict: there is such a place, or there are as many as there may be.
    """
    of_row = select(func.count()).where(col(SecretAttachment.resource_id) == row.id)
    if (await session.exec(of_row)).one() >= MOST:
        raise Conflict(
            f"{row.name} has {MOST} secrets, and may have no more: take one away first.",
            code="too_many_secrets",
        )
    await _require_free(session, row.id, place)
    made = SecretAttachment(
        id=new_id(),
        resource_id=row.id,
        owner_id=row.owner_id,
        created_at=api.clock.now(),
        secret_id=secret_id,
        description=description,
        **place._asdict(),
    )
    session.add(made)
    await session.flush()
    return made


async def edit(
    session: AsyncSession,
    attachment: SecretAttachment,
    place: Place,
    *,
    secret_id: str | None,
    description: str,
) -> bool:
    """Change a place; returns whether anything is other than before.

    Raises:
        Conflict: there is another place like it.
    """
    before = Place(attachment.attachment_type, attachment.location)
    if place != before:
        await _require_free(session, attachment.resource_id, place)
    wanted = {**place._asdict(), "secret_id": secret_id, "description": description}
    changed = {name: each for name, each in wanted.items() if getattr(attachment, name) != each}
    for name, each in changed.items():
        setattr(attachment, name, each)
    session.add(attachment)
    await session.flush()
    return bool(changed)


async def took(session: AsyncSession, api: ApiContext, row: Workspace) -> None:
    """Let a resource follow what became of its secrets."""
    row.updated_at = api.clock.now()
    await session.flush()
    await Lifecycle(api).secrets_changed(session, [row])
    await session.flush()


async def _require_free(session: AsyncSession, resource_id: str, place: Place) -> None:
    taken = select(SecretAttachment.id).where(
        col(SecretAttachment.resource_id) == resource_id,
        col(SecretAttachment.attachment_type) == place.attachment_type,
        col(SecretAttachment.location) == place.location,
    )
    if (await session.exec(taken)).first() is not None:
        raise Conflict(
            f"There is a secret at {place.location} already: change that one, or take it away.",
            code="location_taken",
        )
