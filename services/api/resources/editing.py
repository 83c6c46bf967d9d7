"""Making and changing workspaces: one path for ``/api/workspaces`` and for recipes.

What the types and ``columns.py`` cannot check is checked here, in the transaction that writes: that
the size is offered, that name and subdomain are free. Only what differs from the row is checked
and written: a row keeps a size that is not offered any more, and what changes nothing needs no
restart.
"""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Conflict
from services.api.context import ApiContext
from services.api.images.models import ImageTag
from services.api.people.owners import Owner
from services.api.resources.backends import offered_sizes
from services.api.resources.lifecycle import Lifecycle
from services.api.resources.models import Workspace
from services.api.resources.surroundings import Surroundings, look_around


async def create(
    session: AsyncSession, api: ApiContext, *, owner: Owner, tag: ImageTag, values: dict[str, Any]
) -> Workspace:
    """Make a workspace of an owner from its columns; it is stopped until it is started.

    Raises:
        Invalid: its size is not offered.
        Conflict: another workspace has its name or its subdomain.
    """
    sizes = await offered_sizes(session, api)
    row_id, now = new_id(), api.clock.now()
    size = sizes.get(values["instance_size"] or sizes.default.name)
    settings = {"subdomain": default_subdomain(owner, values["name"], row_id)} | values
    row = Workspace(
        id=row_id,
        owner_id=owner.id,
        image_tag_id=tag.id,
        created_at=now,
        updated_at=now,
        **settings | {"instance_size": size.name},
    )
    await _require_free(session, row)
    await Lifecycle(api).create(session, row)
    await session.flush()
    return row


async def change(
    session: AsyncSession,
    api: ApiContext,
    row: Workspace,
    around: Surroundings,
    values: dict[str, Any],
) -> tuple[bool, Surroundings]:
    """Give a locked workspace these columns; what runs stays as it is until it is started again.

    Returns:
        Whether anything changed, and what is around the workspace now.

    Raises:
        Invalid: its new size is not offered.
        Conflict: another workspace has its new name or subdomain.
    """
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not changed:
        return False, around
    if "instance_size" in changed:
        around.sizes.get(changed["instance_size"])
    for name, value in changed.items():
        setattr(row, name, value)
    row.updated_at = api.clock.now()
    with session.no_autoflush:
        await _require_free(session, row)
        around = await look_around(session, api, [row])
    await Lifecycle(api).edited(session, row, around)
    await session.flush()
    return True, around


async def _require_free(session: AsyncSession, row: Workspace) -> None:
    """Make sure that a row's name and subdomain are its own (indexes decide close races).

    Raises:
        Conflict: another workspace has one of them.
    """
    table = col(Workspace.id)
    live = select(Workspace.name).where(table != row.id, col(Workspace.deleted_at).is_(None))
    same = live.where(col(Workspace.owner_id) == row.owner_id, col(Workspace.name) == row.name)
    if (await session.exec(same.limit(1))).first() is not None:
        raise Conflict(
            f"There is a workspace named {row.name} already: choose another name.",
            code="name_taken",
        )
    taken = live.where(col(Workspace.subdomain) == row.subdomain)
    if (await session.exec(taken.limit(1))).first() is not None:
        raise Conflict(
            f"The subdomain {row.subdomain} is taken: choose another.", code="subdomain_taken"
        )


def default_subdomain(owner: Owner, name: str, row_id: str) -> str:
    """Return a subdomain that nobody else has: ``w-<owner>-<name>-<part of the id>``."""
    return f"w-{owner.identity_name[:20]}-{name.lower()[:24]}-{row_id[:12]}"
