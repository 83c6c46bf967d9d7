"""The builder, put together."""

from pathlib import Path

from sqlmodel import col, select

from cassini.contracts.resources import ServiceName
from cassini.runtime.log_source import LogLine
from cassini.runtime.ownership import Ownership
from cassini.runtime.service import Ground, Service
from cassini.runtime.workqueue import WorkQueue
from services.builder.backends.base import ImageBackend
from services.builder.handlers import Handlers
from services.builder.logs import BuildLog
from services.builder.models import Image
from services.builder.reconciler import ImageSteps
from services.builder.tables import TABLES

_BUILDS_AT_ONCE = 2


class BuilderService(Service):
    """Builds images with one backend."""

    def __init__(self, ground: Ground, backend: ImageBackend, logs: Path) -> None:
        super().__init__(ServiceName.BUILDER, TABLES, ground)
        self._logs = logs
        self._images = Ownership(
            Image, "image", outbox=self.outbox, clock=ground.clock, queue=WorkQueue()
        )
        self._steps = ImageSteps(self._images, backend, logs, ground.clock)
        self.handlers = {"image.declared.v1": Handlers(self._images).image_declared}
        self.owned = (
            self.own(self._images, self._steps.step, self._steps.failed, workers=_BUILDS_AT_ONCE),
        )

    async def open(self) -> None:
        """Look at every image once: one that was removed behind our back is built again."""
        async with self.database.write() as session:
            kept = select(Image).where(col(Image.tombstone).is_(False))
            for row in (await session.exec(kept)).all():
                self._images.wake(session, row)

    async def stop_work(self) -> None:
        """End the builds under way, then the loops."""
        self._steps.stop()
        await super().stop_work()

    async def last_line(self) -> str | None:
        """Return the newest line of any build under way; None when nothing is built."""
        async with self.database.read() as session:
            under_way = select(Image.id).where(
                col(Image.started_at).is_not(None), col(Image.finished_at).is_(None)
            )
            image_id = (await session.exec(under_way.limit(1))).first()
        newest = await BuildLog(self._logs, image_id).tail(1) if image_id else ()
        return newest[0].text if newest else None

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build log."""
        return list(await BuildLog(self._logs, image_id).tail(lines))
