"""Finding resources as a caller may see them: what is not theirs to see does not exist."""

import re

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import NotFound
from services.api.access import Action, require
from services.api.auth.caller import Caller
from services.api.images.models import Image, ImageTag
from services.api.resources.models import Workspace
from services.api.resources.surroundings import Surroundings, around, look_around

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


async def visible_workspace(
    session: AsyncSession, caller: Caller, action: Action, workspace_id: str
) -> Workspace:
    """Return a workspace that the caller may do this to.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    return _allowed(await session.get(Workspace, _dashless(workspace_id)), caller, action)


async def locked_row(
    session: AsyncSession, caller: Caller, action: Action, workspace_id: str
) -> Workspace:
    """Return a workspace that the caller may do this to, its row alone locked for a change.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    return _allowed(await lock_workspace(session, _dashless(workspace_id)), caller, action)


async def locked_workspace(
    session: AsyncSession, caller: Caller, action: Action, workspace_id: str
) -> tuple[Workspace, Surroundings]:
    """Return a workspace that the caller may do this to, locked for a change, and what is around.

    Its image version is locked first, as the handler of image facts does, so that a start cannot
    be held for an image whose build ends in the same moment.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    query = (
        select(Workspace, ImageTag, Image)
        .join(ImageTag, col(Workspace.image_tag_id) == col(ImageTag.id))
        .join(Image, col(ImageTag.image_id) == col(Image.id))
        .where(col(Workspace.id) == _dashless(workspace_id))
        .with_for_update(of=ImageTag)
    )
    found = (await session.exec(query)).one_or_none()
    if found is None:
        raise _no_such()
    row, tag, image = found
    _allowed(row, caller, action)
    row = _allowed(await lock_workspace(session, row.id), caller, action)
    if row.image_tag_id != tag.id:  # changed while we waited for the lock
        return row, await look_around(session, [row])
    return row, await around(session, [row], {tag.id: (tag, image)})


async def lock_workspace(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """Return a workspace's row as it is now, locked for this transaction."""
    query = select(Workspace).where(col(Workspace.id) == workspace_id).with_for_update()
    found = await session.exec(query.execution_options(populate_existing=True))
    return found.one_or_none()


def _dashless(workspace_id: str) -> str:
    text = workspace_id.replace("-", "").lower()
    if not _ID.fullmatch(text):
        raise _no_such()
    return text


def _allowed(row: Workspace | None, caller: Caller, action: Action) -> Workspace:
    if row is None or row.deleted_at is not None:
        raise _no_such()
    require(caller, action, owner_id=row.owner_id, resource_id=row.id, what="workspace")
    return row


def _no_such() -> NotFound:
    return NotFound("There is no such workspace.", code="workspace_not_found")
