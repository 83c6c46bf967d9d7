"""The steps of the builder: resolve what an image holds, build it, say so.

A step is long (minutes): it runs from a claimed row, never inside a delivery. What was resolved
is kept before the build, so that a build that was killed goes on with the same digest, and the
backend finds a finished image instead of making it twice. ``built`` is said only of an image that
the backend verified.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.images import ImageDeclaredV1, ImageStatus
from cassini.contracts.resources import Wanted
from cassini.runtime.clock import Clock
from cassini.runtime.errors import BackendError, CassiniError, Retry
from cassini.runtime.ownership import Ownership
from cassini.runtime.reconcile import Claim, Settled
from cassini.runtime.tracing import traced
from services.builder.backends.base import BuiltImage, ImageBackend
from services.builder.logs import BuildLog
from services.builder.models import Image
from services.builder.recipe import Recipe

T = TypeVar("T")


class ImageSteps:
    """Brings images to what is wished of them."""

    def __init__(
        self, images: Ownership[Image], backend: ImageBackend, logs: Path, clock: Clock
    ) -> None:
        self._images = images
        self._backend = backend
        self._logs = logs
        self._clock = clock
        self._building: set[asyncio.Task[Any]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End the builds under way; they begin again at the next start."""
        self._stopped = True
        for task in self._building:
            task.cancel()

    async def step(self, claim: Claim[Image]) -> Settled[Image]:
        """Build, or remove."""
        wish = ImageDeclaredV1.model_validate(claim.row.wish)
        if wish.wanted == Wanted.ABSENT:
            return await self._remove(claim)
        log = BuildLog(self._logs, wish.id)
        if claim.row.digest is not None and claim.row.resolved_generation == wish.generation:
            await self._let_removal_end(claim)
            whole = await traced(self._backend.verify(claim.row.digest))
            if whole is not None:
                return Settled(write=self._built(whole))
        await log.begin()
        await self._say_building(claim)
        recipe = await self._resolve(claim, wish, log)
        await self._let_removal_end(claim)
        await self._backend.make_room(await self._wanted(claim))
        image = await self._cancellable(self._backend.build(recipe, log.write))
        return Settled(write=self._built(image))

    async def failed(
        self, session: AsyncSession, row: Image, error: CassiniError, final: bool
    ) -> None:
        """Show why an image is not built yet, or never will be."""
        outside = isinstance(error, Retry | BackendError)
        await BuildLog(self._logs, row.id).write(f"{'Failed' if final else 'Delayed'}: {error}")
        row.finished_at = self._clock.now() if final else None
        await self._images.observe(
            session,
            row,
            status=ImageStatus.ERROR if final else ImageStatus.PENDING,
            reason=getattr(error, "reason", "BuilderUnavailable" if outside else "BuildFailed"),
            message=error.message,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )

    async def _say_building(self, claim: Claim[Image]) -> None:
        async with claim.write() as (session, row):
            row.started_at, row.finished_at = self._clock.now(), None
            await self._images.observe(
                session, row, status=ImageStatus.BUILDING, started_at=row.started_at
            )

    async def _resolve(self, claim: Claim[Image], wish: ImageDeclaredV1, log: BuildLog) -> Recipe:
        row = claim.row
        recipe = Recipe.of(
            wish.spec, lock=row.lock, python=row.python, platform=row.platform, base=row.base
        )
        if row.resolved_generation == wish.generation and await self._backend.fits(recipe):
            return recipe
        recipe = await self._cancellable(self._backend.resolve(wish.spec, log.write))
        async with claim.write() as (_, row):
            row.lock, row.python, row.platform = recipe.lock, recipe.python, recipe.platform
            row.base = recipe.base
            row.digest, row.resolved_generation = recipe.digest, wish.generation
        return recipe

    async def _let_removal_end(self, claim: Claim[Image]) -> None:
        """Stay away from an image that another replica is removing for another row.

        Our digest was written before this look, and who removes looks at the others' digests after
        its wish was written: of the two at least one sees the other.

        Raises:
            Retry: it is being removed now.
        """
        if any(wish.wanted == Wanted.ABSENT for wish in await self._others(claim)):
            raise Retry("The same image is being removed; it is built again then.", after=1.0)

    async def _others(self, claim: Claim[Image]) -> list[ImageDeclaredV1]:
        """Return the wishes of all other rows with the same digest."""
        async with claim.write() as (session, _):
            same = (col(Image.digest) == claim.row.digest, col(Image.tombstone).is_(False))
            query = select(Image.wish).where(*same, col(Image.id) != claim.row.id)
            return [ImageDeclaredV1.model_validate(each) for each in await session.exec(query)]

    async def _wanted(self, claim: Claim[Image]) -> frozenset[str]:
        """Return the digests that any row has."""
        async with claim.write() as (session, _):
            query = select(Image.digest).where(col(Image.tombstone).is_(False)).distinct()
            return frozenset(each for each in await session.exec(query) if each is not None)

    def _built(self, image: BuiltImage) -> "_Built":
        return _Built(self._images, image, self._clock.now())

    async def _remove(self, claim: Claim[Image]) -> Settled[Image]:
        """Remove the image, unless another row wants the same digest, then the log."""
        digest = claim.row.digest
        if digest is not None:
            others = await self._others(claim)
            if all(wish.wanted == Wanted.ABSENT for wish in others):
                await traced(self._backend.remove(digest))
        await BuildLog(self._logs, claim.row.id).remove()
        return Settled(write=self._gone)

    async def _gone(self, session: AsyncSession, row: Image) -> None:
        row.tombstone, row.digest = True, None
        await self._images.observe(session, row, status=ImageStatus.ABSENT)

    async def _cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a long call so that ``stop`` can end it.

        Raises:
            Retry: the platform stops; the row is due again at once after the next start.
        """
        if self._stopped:
            work.close()
            raise Retry("the platform is stopping", after=0.0)
        task = asyncio.ensure_future(work)
        self._building.add(task)
        try:
            return await traced(task)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            raise Retry("the platform was stopped during the build", after=0.0) from None
        finally:
            self._building.discard(task)


class _Built:
    """Writes that an image is whole."""

    def __init__(self, images: Ownership[Image], image: BuiltImage, now: float) -> None:
        self._images = images
        self._image = image
        self._now = now

    async def __call__(self, session: AsyncSession, row: Image) -> None:
        row.finished_at = row.finished_at or self._now
        await self._images.observe(
            session,
            row,
            status=ImageStatus.BUILT,
            reference=self._image.reference,
            digest=self._image.digest,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
