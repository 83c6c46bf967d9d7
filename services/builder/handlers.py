"""What the builder does with each event: keep the wish, wake its reconciler."""

from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.images import ImageDeclaredV1
from cassini.runtime.ownership import Ownership
from services.builder.models import Image


class Handlers:
    """The handlers, over what this service owns."""

    def __init__(self, images: Ownership[Image]) -> None:
        self._images = images

    async def image_declared(self, session: AsyncSession, wish: ImageDeclaredV1) -> None:
        """Keep the wish; the reconciler builds."""
        await self._images.accept(session, wish)
