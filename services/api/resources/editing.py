"""From what a client sent to the values of a row: what the types alone cannot check.

Everything is decided here and before anything is written: a field that this platform cannot
honour is refused with what to do instead, never kept silently (``INACTIVE_SETTINGS`` are the
exceptions, and every answer lists them).
"""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Conflict, Invalid
from services.api.auth.caller import Caller
from services.api.images.models import Image, ImageTag
from services.api.images.schemas import visible
from services.api.images.wishes import default_tag
from services.api.resources.models import Workspace
from services.api.resources.schemas import WorkspaceCreate, WorkspaceUpdate
from services.api.resources.sizes import Sizes

_NOT_COLUMNS = {
    "owner",
    "image_uri",
    "image_tag_id",
    "image_enforce_trusted",
    "external_repo_attachments",
}
_OTHER_INSTALLERS = ("conda", "apt", "cran", "remotes", "bioconductor")


async def choose_image(
    session: AsyncSession, caller: Caller, body: WorkspaceCreate | WorkspaceUpdate
) -> ImageTag | None:
    """Return the image version that is asked for, locked; None where none is.

    Raises:
        Invalid: there is none of that id or name, it is archived, or both were given.
    """
    if body.image_tag_id is not None and body.image_uri is not None:
        raise Invalid("Give image_tag_id or image_uri, not both.", code="two_images")
    if body.image_tag_id is not None:
        where = col(ImageTag.id) == body.image_tag_id
    elif body.image_uri is not None:
        where = col(ImageTag.image_uri) == body.image_uri
    else:
        return None
    usable = visible(caller).with_only_columns(col(Image.id))
    query = select(ImageTag).where(where, col(ImageTag.image_id).in_(usable))
    tag = (await session.exec(query.limit(1).with_for_update())).one_or_none()
    if tag is None:
        raise Invalid(
            "There is no such image version: GET /api/images lists those you may use.",
            code="unknown_image",
        )
    if tag.archived:
        raise Invalid("That image version is archived: choose another.", code="image_archived")
    return tag


async def image_or_default(
    session: AsyncSession, caller: Caller, body: WorkspaceCreate
) -> ImageTag:
    """Return the image version for a new resource.

    Raises:
        Invalid: the one asked for cannot be had.
    """
    return await choose_image(session, caller, body) or await default_tag(session)


def values_of(body: WorkspaceCreate | WorkspaceUpdate, sizes: Sizes) -> dict[str, Any]:
    """Return the columns that a body sets: for a change only those that were sent.

    Raises:
        Invalid: something is asked for that this platform does not offer.
    """
    is_change = isinstance(body, WorkspaceUpdate)
    values = body.model_dump(exclude_unset=is_change, exclude=_NOT_COLUMNS)
    _refuse_what_is_missing(body)
    if not is_change and not values["instance_size"]:
        values["instance_size"] = sizes.default.name
    if "instance_size" in values:
        sizes.get(values["instance_size"])
    if "environment_variables" in values:
        values["environment_variables"] = values["environment_variables"] or {}
    for file in (values.get("config_files") or {}).values():
        file["mode"] = file["mode"].zfill(4)
    if not values.get("subdomain"):
        values.pop("subdomain", None)
    return values


async def require_free(session: AsyncSession, row: Workspace) -> None:
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


def _refuse_what_is_missing(body: WorkspaceCreate | WorkspaceUpdate) -> None:
    if isinstance(body, WorkspaceCreate) and body.ide != "jupyter":
        raise Invalid("There is no image with RStudio here: use ide=jupyter.", code="unknown_ide")
    if body.start_dind:
        raise Invalid("Docker in Docker is not offered here.", code="not_offered")
    if body.external_repo_attachments:
        raise Invalid(
            "Git repositories cannot be attached yet: clone them in start_script.",
            code="not_offered",
        )
    packages = body.extra_packages
    others = [name for name in _OTHER_INSTALLERS if packages and getattr(packages, name)]
    if others:
        raise Invalid(
            f"extra_packages: {', '.join(others)} cannot be used with this image; use pip.",
            code="not_offered",
        )
