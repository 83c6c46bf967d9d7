"""Finding resources as a caller may see them: what is not theirs to see does not exist."""

import re

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import NotFound
from services.api.access import Action, require
from services.api.auth.caller import Caller
from services.api.images.models import ImageTag
from services.api.resources.models import Workspace

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


async def visible_workspace(
    session: AsyncSession, caller: Caller, action: Action, workspace_id: str
) -> Workspace:
    """Return a workspace that the caller may do this to.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    dashless = workspace_id.replace("-", "").lower()
    row = await session.get(Workspace, dashless) if _ID.fullmatch(dashless) else None
    if row is None or row.deleted_at is not None:
        raise NotFound("There is no such workspace.", code="workspace_not_found")
    require(caller, action, owner_id=row.owner_id, resource_id=row.id, what="workspace")
    return row


async def locked_workspace(
    session: AsyncSession, caller: Caller, action: Action, workspace_id: str
) -> Workspace:
    """Return a workspace that the caller may do this to, locked for a change.

    Its image version is locked first, as the handler of image facts does, so that a start cannot
    be held for an image whose build ends in the same moment.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    row = await visible_workspace(session, caller, action, workspace_id)
    tag = select(ImageTag).where(col(ImageTag.id) == row.image_tag_id)
    await session.exec(tag.with_for_update().execution_options(populate_existing=True))
    locked = await lock_workspace(session, row.id)
    if locked is None or locked.deleted_at is not None:
        raise NotFound("There is no such workspace.", code="workspace_not_found")
    return locked


async def lock_workspace(session: AsyncSession, workspace_id: str) -> Workspace | None:
    """Return a workspace's row as it is now, locked for this transaction."""
    query = select(Workspace).where(col(Workspace.id) == workspace_id).with_for_update()
    found = await session.exec(query.execution_options(populate_existing=True))
    return found.one_or_none()
