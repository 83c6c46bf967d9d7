"""Finding resources as a caller may see them: what is not theirs to see does not exist."""

import re
from collections.abc import Collection

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.runtime.errors import NotFound
from services.api.access import Action, require
from services.api.auth.caller import Caller
from services.api.context import ApiContext
from services.api.images.models import Image, ImageTag
from services.api.people.owners import OwnerReference, resolve_owner
from services.api.resources.models import Workspace
from services.api.resources.secrets import lock_secrets_of
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
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    action: Action,
    workspace_id: str,
    *,
    secrets: Collection[str] = (),
) -> tuple[Workspace, Surroundings]:
    """Return a workspace that the caller may do this to, locked for a change, and what is around.

    Its secrets (and more of these ids) and its image version are locked first, as the handlers of
    facts do, so that a start cannot be held for what comes in the same moment.

    Raises:
        NotFound: there is none, or the caller may not see it.
        Forbidden: the caller may see it, but not do this.
    """
    where = col(Workspace.id) == _dashless(workspace_id)
    found = await _locked_tag(session, where, secrets=secrets)
    if found is None:
        raise _no_such()
    row, tag, image = found
    _allowed(row, caller, action)
    row = _allowed(await lock_workspace(session, row.id), caller, action)
    return row, await _around_locked(session, api, row, tag, image)


async def locked_by_name(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    action: Action,
    *,
    owner_id: str,
    name: str,
    secrets: Collection[str] = (),
) -> tuple[Workspace, Surroundings] | None:
    """Return an owner's workspace of that name like ``locked_workspace``; None: there is none.

    Raises:
        Forbidden: the caller may see it, but not do this.
    """
    found = await _locked_tag(
        session,
        *_visible_of(caller, [owner_id]),
        col(Workspace.name) == name,
        secrets=secrets,
    )
    if found is None:
        return None
    before, tag, image = found
    row = await lock_workspace(session, before.id)
    if row is None or row.deleted_at is not None or row.name != name:
        return None  # deleted or renamed while we waited for the lock
    _allowed(row, caller, action)
    return row, await _around_locked(session, api, row, tag, image)


async def find_by_name(
    session: AsyncSession, caller: Caller, *, owner_id: str, name: str
) -> Workspace:
    """Return an owner's workspace of that name.

    Raises:
        NotFound: there is none, or the caller may not see it.
    """
    where = _visible_of(caller, [owner_id])
    query = select(Workspace).where(*where, col(Workspace.name) == name)
    row = (await session.exec(query)).one_or_none()
    if row is None:
        raise NotFound(f"There is no workspace named {name[:64]!r}.", code="workspace_not_found")
    return _allowed(row, caller, Action.VIEW)


async def list_query(
    session: AsyncSession, caller: Caller, owner: OwnerReference | None
) -> SelectOfScalar[Workspace]:
    """Select the workspaces of an owner that the caller's token may see; None: the caller's own.

    Raises:
        Invalid: the reference has no known form.
        NotFound: no such owner, or not one that the caller may act as.
    """
    ids: Collection[str] = caller.owner_ids
    if owner is not None:
        ids = [(await resolve_owner(session, caller, owner)).id]
    return select(Workspace).where(*_visible_of(caller, ids))


def _visible_of(caller: Caller, owner_ids: Collection[str]) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        col(Workspace.deleted_at).is_(None),
        col(Workspace.owner_id).in_(owner_ids),
    ]
    if caller.scope.resources is not None:
        where.append(col(Workspace.id).in_(caller.scope.resources))
    return where


async def _locked_tag(
    session: AsyncSession, *where: ColumnElement[bool], secrets: Collection[str]
) -> tuple[Workspace, ImageTag, Image] | None:
    """Return the one workspace, not locked, with its image version, which is, like its secrets."""
    await lock_secrets_of(session, *where, more=secrets)
    query = (
        select(Workspace, ImageTag, Image)
        .join(ImageTag, col(Workspace.image_tag_id) == col(ImageTag.id))
        .join(Image, col(ImageTag.image_id) == col(Image.id))
        .where(*where)
        .with_for_update(of=ImageTag)
    )
    return (await session.exec(query)).one_or_none()


async def _around_locked(
    session: AsyncSession, api: ApiContext, row: Workspace, tag: ImageTag, image: Image
) -> Surroundings:
    if row.image_tag_id != tag.id:  # changed while we waited for the lock
        return await look_around(session, api, [row])
    return await around(session, api, [row], {tag.id: (tag, image)})


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
