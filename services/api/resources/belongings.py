"""What still belongs to somebody: they are not removed while there is any of it."""

from collections.abc import Collection

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.credentials.models import Secret
from services.api.images.models import Image
from services.api.resources.models import Workspace


async def belongings_of(session: AsyncSession, owner_ids: Collection[str]) -> list[str]:
    """Return what belongs to owners, in words; also what is deleted and not gone yet."""
    workspaces = select(Workspace.name, Workspace.deleted_at).where(
        col(Workspace.owner_id).in_(owner_ids)
    )
    images = select(Image.name).where(col(Image.owner_id).in_(owner_ids))
    secrets = select(Secret.name).where(col(Secret.owner_id).in_(owner_ids))
    going = " (being deleted)"
    found = [
        f"the workspace {name}{going if deleted_at is not None else ''}"
        for name, deleted_at in (await session.exec(workspaces.order_by(Workspace.name))).all()
    ]
    for noun, query in (
        ("image", images.order_by(Image.name)),
        ("secret", secrets.order_by(Secret.name)),
    ):
        found += [f"the {noun} {name}" for name in (await session.exec(query)).all()]
    return found
