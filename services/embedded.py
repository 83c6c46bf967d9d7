"""The embedded form: five services in one process and one event loop, under one data directory.

This is the only place that knows all services. It gives each its own database, keys and outbox,
joins them by the in-process bus, and serves the API's HTTP on a socket that it binds before
anything starts, so that a taken port is told at once.
"""

import gc
import socket

from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.log_source import LogLine, LogPage, PodMetrics
from cassini.runtime.scrape import scrape
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground, Health, stop_all
from cassini.runtime.settings import PlatformSettings
from services.api.app import EMBEDDED_ROUTERS, create_app
from services.api.service import ApiService
from services.builder.backends.base import ImageBackend
from services.builder.backends.local_env import LocalEnvBackend
from services.builder.service import BuilderService
from services.places import Places
from services.provisioner.backends.base import Backend
from services.provisioner.backends.local import LocalBackend
from services.provisioner.service import ProvisionerService
from services.scheduler.service import SchedulerService
from services.secrets.service import SecretsService
from services.secrets.stores.local import LocalStore
from services.serving import Server


class Platform:
    """All of Cassini in this process."""

    def __init__(
        self,
        settings: PlatformSettings,
        places: Places,
        *,
        images: ImageBackend | None = None,
        pods: Backend | None = None,
    ) -> None:
        """Put the services together; ``images`` and ``pods`` stand in for the local backends."""
        self._settings = settings
        self._places = places
        keys = settings.keys or places.keys
        self._ring = KeyRing(keys)
        self._bus = MemoryBus()
        self._clock = SystemClock()
        self.backend = pods or LocalBackend(
            data=places.home, installation_id=places.installation_id()
        )
        self.secrets = SecretsService(
            self._ground(ServiceName.SECRETS), LocalStore(places.store, keys / "store.key")
        )
        self.builder = BuilderService(
            self._ground(ServiceName.BUILDER),
            images or LocalEnvBackend(images=places.images, cache=places.package_cache),
            places.build_logs,
        )
        self.provisioner = ProvisionerService(
            self._ground(ServiceName.PROVISIONER),
            self.backend,
            log_days=settings.log_days,
        )
        self.scheduler = SchedulerService(self._ground(ServiceName.SCHEDULER))
        self.api = ApiService(
            self._ground(ServiceName.API),
            settings=settings,
            keys=keys,
            log_source=self,
            health=self.health,
            metrics=self.prometheus,
        )
        self.services = (
            self.secrets,
            self.builder,
            self.provisioner,
            self.scheduler,
            self.api,
        )
        self._server: Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Start the services, then answer HTTP."""
        for service in self.services:
            await service.prepare()
        for service in self.services:
            service.run()
        self._server = Server(create_app(self.api.context, EMBEDDED_ROUTERS), listener)
        # What is loaded now stays: a full collection over it would hold the loop for 0.3 s.
        gc.collect()
        gc.freeze()

    async def stop(self, *, stop_workloads: bool = False) -> None:
        """Stop answering, then the services; workloads go on unless asked otherwise."""
        if self._server is not None:
            self.api.end_streams()
            await self._server.stop()
        at_rest = self.provisioner.stop_workloads if stop_workloads else None
        await stop_all(self.services, at_rest=at_rest)

    async def health(self) -> Health:
        """Say whether a workspace could be started now, and if not, why."""
        for service in self.services:
            health = await service.health()
            if not health.ready:
                return health
        return await self.api.could_start()

    async def prometheus(self) -> bytes:
        """Return what all services count and measure."""
        return await scrape([service.measured() for service in self.services])

    async def progress(self) -> str | None:
        """Return the last line of the build that a first start waits for, if one is under way."""
        return await self.builder.last_line()

    async def join(self) -> None:
        """Let all that is due now be sent and worked on (for tests)."""
        while any([await service.join() for service in self.services]):
            pass

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed."""
        return await self.provisioner.pod_logs(pod_name, previous=previous, lines=lines)

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        """Return up to so many lines that a pod printed, from line ``first`` on."""
        return await self.provisioner.pod_log_page(pod_name, first=first, lines=lines)

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build."""
        return await self.builder.build_logs(image_id, lines=lines)

    async def metrics(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return what the pods of a workload used."""
        return await self.provisioner.metrics(workload_id, start=start, end=end, step=step)

    def _ground(self, service: ServiceName) -> Ground:
        url = self._settings.database_address
        if url is None:
            url = f"sqlite+aiosqlite:///{self._places.database_file(service)}"
        return Ground(
            database=Database(url, schema=str(service)),
            bus=self._bus,
            clock=self._clock,
            sealer=self._ring.sealer(),
            opener=self._ring.opener(service),
            exclusive=True,
            otlp_endpoint=self._settings.otlp_endpoint,
        )
