"""What workspaces are made from and shown with beside their own rows, read once a request."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.context import ApiContext
from services.api.images.models import Image, ImageTag
from services.api.images.schemas import ImageOut, ImageTagOut
from services.api.people.owners import Owner, OwnerOut, owners_by_id
from services.api.resources.backends import offered_sizes
from services.api.resources.models import Workspace
from services.api.resources.sizes import Sizes


@dataclass(frozen=True)
class Surroundings:
    """Image versions by id, each with its image; the owners of rows and images; the sizes."""

    tags: Mapping[str, tuple[ImageTag, Image]]
    owners: Mapping[str, Owner]
    sizes: Sizes

    @cached_property
    def shown_owners(self) -> Mapping[str, OwnerOut]:
        """The owners as the contract shows them, made once for all rows."""
        return {each.id: OwnerOut.of(each) for each in self.owners.values()}

    @cached_property
    def shown_tags(self) -> Mapping[str, ImageTagOut]:
        """The image versions as the contract shows them, made once for all rows."""
        return {
            tag.id: ImageTagOut.of(tag, ImageOut.of(image, self.owners[image.owner_id]))
            for tag, image in self.tags.values()
        }


async def look_around(
    session: AsyncSession, api: ApiContext, rows: Collection[Workspace]
) -> Surroundings:
    """Read what rows refer to, in one query a kind."""
    query = select(ImageTag, Image).join(Image, col(ImageTag.image_id) == col(Image.id))
    query = query.where(col(ImageTag.id).in_({row.image_tag_id for row in rows}))
    tags = {tag.id: (tag, image) for tag, image in (await session.exec(query)).all()}
    return await around(session, api, rows, tags)


async def around(
    session: AsyncSession,
    api: ApiContext,
    rows: Collection[Workspace],
    tags: Mapping[str, tuple[ImageTag, Image]],
) -> Surroundings:
    """Read the rest, where the image versions are read already."""
    ids = {row.owner_id for row in rows} | {image.owner_id for _, image in tags.values()}
    owners = await owners_by_id(session, ids)
    return Surroundings(tags, owners, await offered_sizes(session, api))
