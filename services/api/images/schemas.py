"""Images and their tags as the contract shows them."""

from collections.abc import Collection, Mapping
from typing import Literal, Self

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.contracts.images import ImageStatus
from cassini.runtime.errors import NotFound
from services.api.auth.caller import Caller
from services.api.images.models import Image, ImageTag
from services.api.paging import PageOut
from services.api.people.owners import Owner, OwnerOut, owners_by_id
from services.api.wire import DateTime, HardwareType, WireOut, timestamp

ImageAccess = Literal["account", "org", "owner"]
"""Who may use an image: everybody here, its org, or its owner."""

BuildStatus = Literal["pending", "building", "built", "error", "stopping"]
_SHOWN: dict[str, BuildStatus] = {ImageStatus.ABSENT.value: "stopping"}
"""States that the contract does not know, as the nearest that it does."""


class ImageOut(WireOut):
    """An image."""

    id: str
    name: str
    owner: OwnerOut
    description: str
    created_at: DateTime
    hardware_type: HardwareType
    supports: list[str]
    access: ImageAccess
    is_base: bool
    is_gpu: bool
    trusted: bool

    @classmethod
    def of(cls, image: Image, owner: Owner) -> Self:
        """Show an image."""
        computed = {
            "owner": OwnerOut.of(owner),
            "created_at": timestamp(image.created_at),
            "is_gpu": image.hardware_type != "CPU",
        }
        stored = image.model_dump(include=set(cls.model_fields) - set(computed))
        return cls.model_validate(stored | computed)


class BuildData(WireOut):
    """What a version was built from. Cassini builds from pip requirements."""

    base_image: str | None = None
    environment_yml: str | None = None
    requirements_txt: str | None
    cran_packages: str | None = None
    bioconductor_packages: str | None = None
    remotes_packages: str | None = None
    apt_txt: str | None = None
    post_build: str | None = None
    use_mamba: bool = False
    adapt_image: bool = False
    register_ipython_kernel: bool = False
    rstudio_version: str | None = None
    install_r: bool = False


class ImageTagOut(WireOut):
    """One version of an image; ``reason`` and ``message`` say why it is not built."""

    id: str
    created_at: DateTime
    image: ImageOut
    image_uri: str
    description: str
    version: str
    build_data: BuildData
    archived: bool
    is_external: bool
    status: BuildStatus
    reason: str | None
    message: str | None

    @classmethod
    def of(cls, tag: ImageTag, image: ImageOut) -> Self:
        """Show a tag of an image."""
        computed = {
            "created_at": timestamp(tag.created_at),
            "image": image,
            "build_data": BuildData(requirements_txt=tag.requirements or None),
            "status": _SHOWN.get(tag.status, tag.status),
        }
        stored = tag.model_dump(include=set(cls.model_fields) - set(computed))
        return cls.model_validate(stored | computed)


class ImageList(PageOut):
    """A page of images."""

    images: list[ImageOut]


class ImageTagList(PageOut):
    """A page of the tags of an image."""

    image_tags: list[ImageTagOut]


class BuildLogLine(WireOut):
    """One line of a build's log."""

    timestamp: DateTime
    content: str
    pod_name: str
    container_name: str


class BuildLogList(PageOut):
    """Lines of a build's log, oldest first."""

    logs: list[BuildLogLine]


def shown_as(status: BuildStatus) -> list[str]:
    """Return the states of rows that are shown as this one."""
    return [each.value for each in ImageStatus if _SHOWN.get(each.value, each.value) == status]


def visible(caller: Caller) -> SelectOfScalar[Image]:
    """Select the images that a caller may use: their own, and those for everybody here."""
    return select(Image).where(
        or_(col(Image.access) == "account", col(Image.owner_id).in_(caller.owner_ids))
    )


async def visible_image(session: AsyncSession, caller: Caller, image_id: str) -> Image:
    """Return an image that the caller may use.

    Raises:
        NotFound: there is none of that id, or it is not the caller's to see.
    """
    image = (await session.exec(visible(caller).where(col(Image.id) == image_id))).one_or_none()
    if image is None:
        raise NotFound("There is no such image.", code="image_not_found")
    return image


async def require_visible_tag(session: AsyncSession, caller: Caller, tag_id: str) -> None:
    """Make sure that there is an image version of that id which the caller may use.

    Raises:
        NotFound: there is none, or it is not the caller's to see.
    """
    usable = visible(caller).with_only_columns(col(Image.id))
    query = select(ImageTag.id).where(col(ImageTag.id) == tag_id)
    if (await session.exec(query.where(col(ImageTag.image_id).in_(usable)))).first() is None:
        raise NotFound("There is no such image version.", code="image_tag_not_found")


async def show_images(session: AsyncSession, images: Collection[Image]) -> dict[str, ImageOut]:
    """Return the images by their ids, their owners read in one query."""
    owners = await owners_by_id(session, {image.owner_id for image in images})
    return {image.id: ImageOut.of(image, owners[image.owner_id]) for image in images}


async def show_tags(session: AsyncSession, tag_ids: Collection[str]) -> Mapping[str, ImageTagOut]:
    """Return tags with their images by the tags' ids, in two queries."""
    query = select(ImageTag, Image).join(Image, col(ImageTag.image_id) == col(Image.id))
    found = (await session.exec(query.where(col(ImageTag.id).in_(set(tag_ids))))).all()
    shown = await show_images(session, {image.id: image for _, image in found}.values())
    return {tag.id: ImageTagOut.of(tag, shown[tag.image_id]) for tag, _ in found}
