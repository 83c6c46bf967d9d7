"""Secrets in recipes: named by their owner and name, or places to be filled; never their values.

Applying is declarative: places that a recipe does not have are taken away. An entry without a name
keeps what fills its place already. So does one that names a secret of somebody else which may not
be used here, as in a recipe that was copied: it becomes a place to be filled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Invalid
from services.api.auth.caller import Caller
from services.api.context import ApiContext
from services.api.credentials.models import Secret, SecretAttachment
from services.api.credentials.secrets import is_usable, lock_secrets, visible
from services.api.people.owners import Owner, OwnerReference, named_owner
from services.api.resources.attaching import Place, attach, edit, place_of
from services.api.resources.models import Workspace
from services.api.resources.recipe_schemas import SecretAttachmentRecipe
from services.api.resources.secrets import Given


@dataclass(frozen=True)
class Wanted:
    """An entry of a recipe, read: its place, and the secret that it names, if there is one."""

    place: Place
    description: str
    field: str
    name: str | None = None
    owner_id: str | None = None
    secret_id: str | None = None


def entries_of(given: Given, owners: Mapping[str, Owner]) -> list[SecretAttachmentRecipe]:
    """Return what a resource is given, as its recipe has it."""
    entries = []
    for each in given.places:
        place, secret = each.place, each.secret
        said: dict[str, Any] = {
            "location": place.location,
            "attachment_type": place.attachment_type,
            "description": place.description,
        }
        if secret is not None:
            said |= {"owner": owners[secret.owner_id].name, "name": secret.name}
        entries.append(SecretAttachmentRecipe.model_construct(**said))
    return entries


async def read_entries(
    session: AsyncSession, caller: Caller, owner: Owner, entries: Sequence[SecretAttachmentRecipe]
) -> list[Wanted]:
    """Return what the entries of a recipe for a resource of this owner say.

    Raises:
        Invalid: two have one place, or a location is none; the message names the field.
    """
    read: dict[Place, Wanted] = {}
    owners: dict[str, str | None] = {}
    for number, entry in enumerate(entries):
        field = f"spec.secrets.{number}"
        place = place_of(entry.attachment_type, entry.location, field=f"{field}.location")
        if place in read:
            message = f"{field}.location: there is a secret at {place.location} already"
            raise Invalid(message, code="location_taken")
        owner_id = None
        if entry.name is not None:
            key = str(entry.owner)
            if key not in owners:
                owners[key] = await _owner_id(session, caller, owner, entry.owner)
            owner_id = owners[key]
        read[place] = Wanted(place, entry.description, field, entry.name, owner_id)
    return await _found(session, list(read.values()))


async def give(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    row: Workspace,
    wanted: Sequence[Wanted],
) -> bool:
    """Give a locked resource what a recipe says; returns whether anything changed.

    The resource follows only when the caller lets it (``attaching.took``).

    Raises:
        Invalid: an entry names a secret of the resource's owner that the caller does not have.
    """
    await lock_secrets(session, col(Secret.id).in_({each.secret_id for each in wanted}))
    of_row = col(SecretAttachment.resource_id) == row.id
    present = (await session.exec(select(SecretAttachment).where(of_row))).all()
    current = {Place(each.attachment_type, each.location): each for each in present}
    keep = {each.place for each in wanted}
    changed = False
    for place, attachment in current.items():
        if place not in keep:
            await session.delete(attachment)
            changed = True
    await session.flush()
    for each in wanted:
        there = current.get(each.place)
        before = there.secret_id if there else None
        secret_id = await _choice(session, caller, row, each, before)
        if there is None:
            text = each.description
            await attach(session, api, row, each.place, secret_id=secret_id, description=text)
            changed = True
        elif await edit(
            session, there, each.place, secret_id=secret_id, description=each.description
        ):
            changed = True
    return changed


async def _choice(
    session: AsyncSession, caller: Caller, row: Workspace, wanted: Wanted, before: str | None
) -> str | None:
    """Return the id of the secret that is to fill a place; None: it is to be filled by somebody."""
    if wanted.name is None or (wanted.secret_id is not None and wanted.secret_id == before):
        return before
    if wanted.secret_id is not None:
        seen = visible(caller).where(col(Secret.id) == wanted.secret_id)
        secret = (await session.exec(seen)).first()
        if secret is None and caller.is_admin:
            secret = await session.get(Secret, wanted.secret_id)
        if secret is not None and await is_usable(session, secret, row.owner_id):
            return secret.id
    if wanted.owner_id == row.owner_id:
        raise Invalid(
            f"{wanted.field}: there is no secret named {wanted.name} here: make it first, or leave "
            "its name out to fill the place later",
            code="unknown_secret",
        )
    return before


async def _found(session: AsyncSession, wanted: list[Wanted]) -> list[Wanted]:
    """Return the entries with the ids of the secrets that they name, in one query."""
    named = {(each.owner_id, each.name) for each in wanted if each.owner_id is not None}
    if not named:
        return wanted
    key = tuple_(col(Secret.owner_id), col(Secret.name))
    rows = (await session.exec(select(Secret).where(key.in_(named)))).all()
    ids = {(row.owner_id, row.name): row.id for row in rows}
    return [
        replace(each, secret_id=ids.get((each.owner_id or "", each.name or ""))) for each in wanted
    ]


async def _owner_id(
    session: AsyncSession, caller: Caller, owner: Owner, reference: OwnerReference | None
) -> str | None:
    """Return the id of a secret's owner; None where nobody is called so."""
    if reference is None:
        return owner.id
    try:
        found = await named_owner(session, caller, reference)
    except Invalid:  # no name of an owner: so nobody has secrets under it
        return None
    return found.id if found else None
