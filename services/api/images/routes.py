"""``/api/images``: the images one may use, their versions, and how a build went."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Text, cast
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import NotFound
from cassini.runtime.log_source import LogLine
from services.api.access import Action, access
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.images.models import Image, ImageTag
from services.api.images.schemas import (
    BuildLogLine,
    BuildLogList,
    BuildStatus,
    ImageAccess,
    ImageList,
    ImageOut,
    ImageTagList,
    ImageTagOut,
    show_images,
    show_tags,
    shown_as,
    visible,
    visible_image,
)
from services.api.offsets import cut
from services.api.page_keys import PageAskedDep
from services.api.paging import PageDep, paginate
from services.api.people.owners import OwnerQuery, resolve_owner
from services.api.wire import HardwareType, timestamp

router = APIRouter(prefix="/api/images", tags=["images"])
tags_router = APIRouter(prefix="/api/images/{image_id}/tags", tags=["image_tags"])

_TEXT = Query(max_length=512)
_CLUSTER = Query(max_length=512, description="Ignored: there is one cluster.")
_LOG_LINES = 10_000


@router.get("", openapi_extra=access(Action.KNOW))
async def list_images(
    api: ContextDep,
    caller: CallerDep,
    page: PageDep,
    owner: OwnerQuery,
    name: Annotated[str | None, _TEXT] = None,
    access: ImageAccess | None = None,
    supports: Annotated[str | None, _TEXT] = None,
    hardware_type: HardwareType | None = None,
    is_base: bool | None = None,
) -> ImageList:
    """List the images that the caller may use."""
    async with api.database.read() as session:
        query = visible(caller)
        if owner is not None:
            found_owner = await resolve_owner(session, caller, owner)
            query = query.where(col(Image.owner_id) == found_owner.id)
        if name:
            query = query.where(col(Image.name).contains(name, autoescape=True))
        if access is not None:
            query = query.where(col(Image.access) == access)
        if supports:
            features = cast(col(Image.supports), Text)
            query = query.where(features.contains(f'"{supports}"', autoescape=True))
        if hardware_type is not None:
            query = query.where(col(Image.hardware_type) == hardware_type)
        if is_base is not None:
            query = query.where(col(Image.is_base) == is_base)
        found = await paginate(session, query, page, Image)
        shown = await show_images(session, found.rows)
    return ImageList(images=[shown[image.id] for image in found.rows], **found.keys())


@router.get("/{image_id}", openapi_extra=access(Action.KNOW))
async def get_image(api: ContextDep, caller: CallerDep, image_id: str) -> ImageOut:
    """Show an image."""
    async with api.database.read() as session:
        image = await visible_image(session, caller, image_id)
        return (await show_images(session, [image]))[image.id]


@tags_router.get("", openapi_extra=access(Action.KNOW))
async def list_tags(
    api: ContextDep,
    caller: CallerDep,
    page: PageDep,
    image_id: str,
    version: Annotated[str | None, _TEXT] = None,
    image_uri: Annotated[str | None, _TEXT] = None,
    is_external: bool | None = None,
    archived: bool | None = None,
    status: BuildStatus | None = None,
) -> ImageTagList:
    """List the versions of an image."""
    async with api.database.read() as session:
        image = await visible_image(session, caller, image_id)
        query = select(ImageTag).where(col(ImageTag.image_id) == image.id)
        if version:
            query = query.where(col(ImageTag.version).contains(version, autoescape=True))
        if image_uri:
            query = query.where(col(ImageTag.image_uri).contains(image_uri, autoescape=True))
        if is_external is not None:
            query = query.where(col(ImageTag.is_external) == is_external)
        if archived is not None:
            query = query.where(col(ImageTag.archived) == archived)
        if status is not None:
            query = query.where(col(ImageTag.status).in_(shown_as(status)))
        found = await paginate(session, query, page, ImageTag)
        shown = await show_tags(session, [tag.id for tag in found.rows])
    return ImageTagList(image_tags=[shown[tag.id] for tag in found.rows], **found.keys())


@tags_router.get("/{image_tag_id}", openapi_extra=access(Action.KNOW))
async def get_tag(
    api: ContextDep, caller: CallerDep, image_id: str, image_tag_id: str
) -> ImageTagOut:
    """Show a version of an image."""
    async with api.database.read() as session:
        tag = await _visible_tag(session, caller, image_id, image_tag_id)
        return (await show_tags(session, [tag.id]))[tag.id]


@tags_router.get("/{image_tag_id}/logs", openapi_extra=access(Action.KNOW))
async def get_logs(
    api: ContextDep,
    caller: CallerDep,
    asked: PageAskedDep,
    image_id: str,
    image_tag_id: str,
    pod_name: Annotated[str | None, _TEXT] = None,
    cluster: Annotated[str | None, _CLUSTER] = None,  # noqa: ARG001 - in the contract
) -> BuildLogList:
    """Return the lines of a version's last build, oldest first."""
    async with api.database.read() as session:
        tag = await _visible_tag(session, caller, image_id, image_tag_id)
    lines = await api.log_source.build_logs(tag.id, lines=_LOG_LINES)
    builder = f"image-build-{tag.id}"
    if pod_name not in {None, "", builder}:
        lines = []
    page = cut(lines, asked, order="build logs")
    logs = [_line(line, tag, builder) for line in page.items]
    return BuildLogList(logs=logs, **page.keys())


async def _visible_tag(
    session: AsyncSession, caller: Caller, image_id: str, image_tag_id: str
) -> ImageTag:
    image = await visible_image(session, caller, image_id)
    tag = await session.get(ImageTag, image_tag_id)
    if tag is None or tag.image_id != image.id:
        raise NotFound("There is no such image version.", code="image_tag_not_found")
    return tag


def _line(line: LogLine, tag: ImageTag, pod_name: str) -> BuildLogLine:
    at = tag.created_at if line.at is None else line.at
    return BuildLogLine(
        timestamp=timestamp(at), content=line.text, pod_name=pod_name, container_name="builder"
    )
