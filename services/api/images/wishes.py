"""Declaring images to the builder, and keeping what it says of them.

The built-in image has one tag for each version of Cassini, since its lock comes with the code: a
workspace keeps the tag it was made with, and new ones get the newest.
"""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini import __version__
from cassini.contracts.images import ImageDeclaredV1, ImageObservedV1, ImageStatus
from cassini.contracts.resources import ServiceName, Wanted, new_id
from cassini.runtime.errors import Invalid
from services.api.context import ApiContext
from services.api.images.models import Image, ImageTag

BUILTIN = "cassini-python"
_DESCRIPTION = "Python with JupyterLab, NumPy, pandas and Dask; comes with Cassini."


async def ensure_builtin(session: AsyncSession, api: ApiContext, *, owner_id: str) -> ImageTag:
    """Have the built-in image of this version; ask for it again if its last build failed."""
    now = api.clock.now()
    named = select(Image).where(col(Image.name) == BUILTIN, col(Image.is_base))
    image = (await session.exec(named)).one_or_none()
    if image is None:
        image = Image(
            id=new_id(),
            owner_id=owner_id,
            name=BUILTIN,
            description=_DESCRIPTION,
            supports=["jupyterlab", "dask"],
            access="account",
            is_base=True,
            trusted=True,
            created_at=now,
        )
        session.add(image)
        await session.flush()
    versions = select(ImageTag).where(col(ImageTag.image_id) == image.id)
    tag = (await session.exec(versions.where(col(ImageTag.version) == __version__))).one_or_none()
    if tag is None:
        tag = ImageTag(
            id=new_id(),
            image_id=image.id,
            version=__version__,
            description=f"Built in to Cassini {__version__}",
            image_uri=f"{BUILTIN}:{__version__}",
            builtin=BUILTIN,
            created_at=now,
        )
        await declare(session, api, tag)
    elif tag.status == ImageStatus.ERROR:
        await declare(session, api, tag)
    return tag


async def declare(session: AsyncSession, api: ApiContext, tag: ImageTag) -> None:
    """Wish an image version present; a build that failed is tried again."""
    wish = await api.declarations.declare(
        session,
        "image",
        tag.id,
        lambda numbers: ImageDeclaredV1(
            id=tag.id,
            declarer=ServiceName.API,
            generation=numbers.generation,
            wanted=Wanted.PRESENT,
            spec=tag.spec,
        ),
    )
    tag.generation = wish.generation
    tag.status, tag.reason, tag.message = ImageStatus.PENDING.value, None, None
    session.add(tag)


async def take(session: AsyncSession, fact: ImageObservedV1) -> ImageTag | None:
    """Copy a fact that counts to its tag; None where it is of an older wish or an unknown tag."""
    tag = await session.get(ImageTag, fact.id)
    if tag is None or fact.generation < tag.generation:
        return None
    tag.generation = fact.generation
    tag.status = fact.status.value
    tag.reason, tag.message = fact.reason, fact.message
    tag.reference = fact.reference
    session.add(tag)
    return tag


async def default_tag(session: AsyncSession) -> ImageTag:
    """Return the newest tag of the built-in image."""
    query = select(ImageTag).where(col(ImageTag.builtin) == BUILTIN)
    newest = query.order_by(col(ImageTag.created_at).desc(), col(ImageTag.id)).limit(1)
    tag = (await session.exec(newest)).one_or_none()
    if tag is None:
        raise Invalid("There is no image yet: wait until the platform has started.")
    return tag
