"""References to a version of an image, in all the forms that clients send, and what they lead to.

A path is ``<org>/<owner>/<name>:<version>``; org, owner and version may be left out. A bare name
means an image of the owner's before one that everybody may use; no version means the newest that
is built and not archived. What may not be used does not exist. A resource may keep the version
that it has, whatever became of it since.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter
from sqlalchemy import case, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.images import ImageStatus
from cassini.runtime.errors import Invalid
from services.api.auth.caller import Caller
from services.api.auth.names import LONGEST_PATH
from services.api.images.models import Image, ImageTag
from services.api.images.schemas import visible
from services.api.people.owners import OwnerReference, named_owner
from services.api.people.references import RecipeOwner
from services.api.wire import RecipePart

_MOST, _SHOWN = 100, 120
_MOST_SLASHES = 2
_FORMS = "write <org>/<owner>/<name>:<version>, <owner>/<name>:<version> or <name>:<version>"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
_ImagePath = Annotated[
    str,
    Field(json_schema_extra={"minLength": 1, "maxLength": 512, "format": "image-path"}),
]
"""Checked by ``_one_form``, once for every form."""
_TEXT: TypeAdapter[str] = TypeAdapter(_Text)


class ImageTagById(RecipePart):
    """A version of an image by its id."""

    tag_id: _Text
    enforce_trusted: bool = True


class ImageTagByUri(RecipePart):
    """A version of an image by its address."""

    uri: _Text
    owner: RecipeOwner | None = None
    enforce_trusted: bool = True


class ImageTagByName(RecipePart):
    """A version of an image by their names."""

    name: _Text
    version: _Text
    owner: RecipeOwner | None = None
    enforce_trusted: bool = True


def _one_form(sent: object) -> object:
    """Choose the form first, so that a mistake is told once and not for every form."""
    if isinstance(sent, dict):
        if sent.get("tag_id") is not None:
            return ImageTagById.model_validate(sent)
        form = ImageTagByName if sent.get("uri") is None else ImageTagByUri
        return form.model_validate(sent)
    if isinstance(sent, str):
        return _TEXT.validate_python(sent)
    if isinstance(sent, RecipePart):
        return sent
    raise ValueError(f"{_FORMS}, or an object with tag_id, uri, or name and version")


ImageTagReference = ImageTagById | ImageTagByUri | ImageTagByName | _ImagePath
RecipeImage = Annotated[ImageTagReference, BeforeValidator(_one_form)]
"""What a recipe may say in its ``image`` field."""


@dataclass(frozen=True)
class Attachment:
    """What an image is wanted for."""

    owner_id: str
    """Whose resource it is."""
    field: str
    """Where the reference stands in the request: errors begin with it."""
    current: str | None = None
    """The id of the version that the resource has now."""

    def refusal(self, message: str, code: str) -> Invalid:
        """Return the error that names the field."""
        return Invalid(f"{self.field}: {message}", code=code)


@dataclass(frozen=True)
class _Wanted:
    """A reference in whichever form, read."""

    called: str
    enforce_trusted: bool
    tag_id: str | None = None
    uri: str | None = None
    name: str | None = None
    version: str | None = None
    owner: OwnerReference | None = None

    @classmethod
    def of(cls, reference: ImageTagReference, attachment: Attachment) -> Self:
        """Read a reference.

        Raises:
            Invalid: it is a path of no known form.
        """
        if isinstance(reference, str):
            return cls._of_path(reference, attachment)
        fields: dict[str, Any] = {
            name: getattr(reference, name) for name in type(reference).model_fields
        }
        called = next(fields[name] for name in ("tag_id", "uri", "name") if name in fields)
        if "version" in fields:
            called = f"{called}:{fields['version']}"
        if isinstance(fields.get("owner"), str):
            called = f"{fields['owner']}/{called}"
        return cls(called=called[:_SHOWN], **fields)

    @classmethod
    def _of_path(cls, path: str, attachment: Attachment) -> Self:
        place, colon, version = path.partition(":")
        owner, _, name = place.rpartition("/")
        broken = not name or (colon and not version) or owner.count("/") >= _MOST_SLASHES
        if broken or place.startswith("/") or owner.endswith("/"):
            raise attachment.refusal(f"{path[:_SHOWN]!r} names no image: {_FORMS}", "bad_image")
        return cls(
            called=path[:_SHOWN],
            enforce_trusted=True,
            name=name,
            version=version or None,
            owner=owner or None,
        )


async def find_tag(
    session: AsyncSession, caller: Caller, reference: ImageTagReference, attachment: Attachment
) -> ImageTag:
    """Return the image version that a reference leads to, locked for this transaction.

    Raises:
        Invalid: it leads to none that may be attached, or to several; the message says what to do.
    """
    wanted = _Wanted.of(reference, attachment)
    tag, image = await _nearest(session, caller, wanted, attachment)
    if tag.id != attachment.current:
        mine = caller.owner_ids | {attachment.owner_id}
        if tag.archived:
            raise attachment.refusal(
                f"{wanted.called} is archived: choose another version", "image_archived"
            )
        if wanted.enforce_trusted and not image.trusted and image.owner_id not in mine:
            raise attachment.refusal(
                f"{wanted.called} is not marked as trusted: if you trust its owner, name it by an "
                "object (tag_id; uri; or name and version) with enforce_trusted=false",
                "image_not_trusted",
            )
    locked = select(ImageTag).where(col(ImageTag.id) == tag.id).with_for_update()
    return (await session.exec(locked.execution_options(populate_existing=True))).one()


async def _nearest(
    session: AsyncSession, caller: Caller, wanted: _Wanted, attachment: Attachment
) -> tuple[ImageTag, Image]:
    """Return the one image version that is meant, of those that the caller may use.

    Raises:
        Invalid: there is none, or there are several.
    """
    known = or_(
        col(Image.id).in_(visible(caller).with_only_columns(col(Image.id))),
        col(Image.owner_id) == attachment.owner_id,
        col(ImageTag.id) == attachment.current,
    )
    distance = case(
        (col(Image.owner_id) == attachment.owner_id, 0),
        (col(Image.owner_id).in_(caller.owner_ids), 1),
        else_=2,
    )
    query = (
        select(ImageTag, Image, distance)
        .join(Image, col(ImageTag.image_id) == col(Image.id))
        .where(known, *await _conditions(session, caller, wanted))
        .order_by(distance, col(ImageTag.created_at).desc(), col(ImageTag.id))
        .limit(_MOST)
    )
    found = (await session.exec(query)).all()
    if not found:
        which = "" if wanted.version or not wanted.name else " version that is built of"
        raise attachment.refusal(
            f"there is no{which} image {wanted.called} that may be used here: "
            "GET /api/images lists those there are",
            "unknown_image",
        )
    tag, image, nearest = found[0]
    if any(other.id != image.id for _, other, far in found if far == nearest):
        raise attachment.refusal(
            f"several images are called {wanted.called}: say whose, as in "
            "<org>/<owner>/<name>:<version>",
            "ambiguous_image",
        )
    return tag, image


async def _conditions(session: AsyncSession, caller: Caller, wanted: _Wanted) -> list[Any]:
    """Return what must hold for the image version that is meant."""
    where: list[Any] = []
    if wanted.tag_id is not None:
        where.append(col(ImageTag.id) == wanted.tag_id)
    if wanted.uri is not None:
        where.append(col(ImageTag.image_uri) == wanted.uri)
    if wanted.name is not None:
        where.append(col(Image.name) == wanted.name)
        if wanted.version is not None:
            where.append(col(ImageTag.version) == wanted.version)
        else:
            where += [
                col(ImageTag.status) == ImageStatus.BUILT.value,
                col(ImageTag.archived).is_(False),
            ]
    if wanted.owner is not None:
        where.append(col(Image.owner_id) == await _owner_id(session, caller, wanted.owner))
    return where


async def _owner_id(session: AsyncSession, caller: Caller, reference: OwnerReference) -> str:
    """Return the id of an image's owner, who need not be the caller; empty where there is none."""
    if isinstance(reference, str) and len(reference) > LONGEST_PATH:
        return ""
    try:
        owner = await named_owner(session, caller, reference)
    except Invalid:  # no name of an owner: so nobody has images under it
        return ""
    return owner.id if owner else ""
