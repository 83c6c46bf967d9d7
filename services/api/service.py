"""The api service, put together: what is wished for, by whom, and what became of it.

The HTTP application is made of ``context`` by the form that serves it (``app.create_app``).
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.orm.session import Session

from cassini.contracts.catalog import CATALOG
from cassini.contracts.changes import ResourceChangedV1
from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import ServiceName
from cassini.runtime.database import after_commit, one_at_a_time
from cassini.runtime.errors import BackendError, CallerError
from cassini.runtime.log_source import LogSource
from cassini.runtime.scrape import scrape
from cassini.runtime.service import Ground, Health, Service
from cassini.runtime.settings import PlatformSettings
from services.api.context import ApiContext
from services.api.images.wishes import default_tag, ensure_builtin
from services.api.keys import load_keys
from services.api.people.accounts import create_sign_in_link, ensure_first_admin, first_admin
from services.api.resources.backends import why_nothing_can_start
from services.api.resources.belongings import belongings_of
from services.api.resources.handlers import Handlers, secrets_changed
from services.api.resources.history import forget_old
from services.api.resources.models import Workspace
from services.api.resources.opening import workspaces_of
from services.api.resources.pending import pending_look
from services.api.tables import TABLES
from services.api.watch import Watch

_FORGET_SECONDS = 3600.0


class ApiService(Service):
    """Takes what people ask for, wishes for it, and shows what is seen of it.

    ``context`` is there once the service is started.
    """

    context: ApiContext

    def __init__(
        self,
        ground: Ground,
        *,
        settings: PlatformSettings,
        keys: Path,
        log_source: LogSource,
        health: Callable[[], Awaitable[Health]] | None = None,
        metrics: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """``health``, ``metrics``: of all services of one process; default: of this one."""
        super().__init__(ServiceName.API, TABLES, ground)
        self._settings = settings
        self._keys = keys
        self._log_source = log_source
        self._health_of_all = health
        self._metrics = metrics or self._own_metrics
        self._watch = Watch()
        self.loops = {"history": self._forget_history}
        self.looks = {"workspaces": pending_look(self.database)}

    async def open(self) -> None:
        """Make the first admin and the built-in image, and take facts from now on."""
        self.context = ApiContext(
            database=self.database,
            declarations=self.declarations,
            clock=self.clock,
            sealer=self.ground.sealer,
            settings=self._settings,
            keys=await asyncio.to_thread(load_keys, self._keys),
            log_source=self._log_source,
            ready=self._health_of_all or self.health,
            platform=self._health_of_all or self.could_start,
            workspaces_of=workspaces_of,
            watch=self._watch,
            instruments=self.instruments,
            metrics=self._metrics,
            belongings_of=belongings_of,
            secrets_changed=secrets_changed,
        )
        self.database.on_write(self._announce)
        self.listeners = {"resource.changed.v1": self._watch.changed}
        async with self.database.write() as session:
            await one_at_a_time(session, "first start")
            await ensure_first_admin(session, now=self.clock.now())
            await session.flush()
            _, owner_id = await first_admin(session)
            await ensure_builtin(session, self.context, owner_id=owner_id)
        handlers = Handlers(self.context)
        self.handlers = {
            "workload.observed.v1": handlers.workload_observed,
            "image.observed.v1": handlers.image_observed,
            "credential.observed.v1": handlers.credential_observed,
            "backend.observed.v1": handlers.backend_observed,
        }

    def _announce(self, session: Session, row: object) -> None:
        """Hint, once it is committed, that a resource changed."""
        if isinstance(row, Workspace):
            hint = ResourceChangedV1(id=row.id, owner_id=row.owner_id, kind="workspace")
            after_commit(session, lambda: self.outbox.hint(hint))

    async def _own_metrics(self) -> bytes:
        return await scrape([self.measured()])

    def end_streams(self) -> None:
        """End the streams of live changes."""
        self._watch.close()

    async def could_start(self) -> Health:
        """Say whether a workspace could be started now: the image is built, the backend there."""
        health = await self.health()
        if not health.ready:
            return health
        async with self.database.read() as session:
            why = await _why_no_image(session) or await why_nothing_can_start(session)
        why = why or await self._why_nobody_takes()
        return Health(ready=why is None, reason=why)

    async def _why_nobody_takes(self) -> str | None:
        wishes = [name for name, event in CATALOG.items() if ServiceName.API in event.writers]
        try:
            absent = await self.ground.bus.absent_readers(wishes)
        except BackendError as error:
            return error.message
        names = ", ".join(sorted(absent))
        return f"nobody takes what is wished of: {names}; do they run?" if names else None

    async def sign_in_link(self) -> str:
        """Return the address of a new sign-in link for the first admin."""
        async with self.database.write() as session:
            admin, _ = await first_admin(session)
            code = await create_sign_in_link(session, admin.username, now=self.clock.now())
        return f"{self._settings.url}/sign-in?{urlencode({'code': code})}"

    async def _forget_history(self) -> None:
        """Forget pods that have been gone for too long, now and every hour."""
        while True:
            async with self.database.write() as session:
                await forget_old(session, now=self.clock.now(), days=self._settings.log_days)
            await self.clock.sleep(_FORGET_SECONDS)


async def _why_no_image(session: AsyncSession) -> str | None:
    try:
        tag = await default_tag(session)
    except CallerError as error:
        return error.message
    if tag.status == ImageStatus.BUILT:
        return None
    if tag.status == ImageStatus.ERROR:
        return f"the built-in image could not be built: {tag.message}"
    return "the built-in image is being built"
