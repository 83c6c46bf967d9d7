"""What still belongs to somebody: they are not removed while there is any of it."""

from collections.abc import Collection

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.images.models import Image
from services.api.resources.models import Workspace


async def belongings_of(session: AsyncSession, owner_ids: Collection[str]) -> list[str]:
    """Return what belongs to owners, in words; also what is deleted and not gone yet."""
    workspaces = select(Workspace.name, Workspace.deleted_at).where(
        col(Workspace.owner_id).in_(owner_ids)
    )
    images = select(Image.name).where(col(Image.owner_id).in_(owner_ids))
    going = " (being deleted)"
    return [
        f"the workspace {name}{going if deleted_at is not None else ''}"
        for name, deleted_at in (await session.exec(workspaces.order_by(Workspace.name))).all()
    ] + [f"the image {name}" for name in (await session.exec(images.order_by(Image.name))).all()]
