"""``cassini run <service>``: one service of the distributed form, until it is told to end.

It answers probes from the first moment. What it needs (a database with this release's tables, the
broker, the backend) is waited for, with the reason in the log and in ``/health/ready``; a start
that fails on the way is made again from the beginning, with new connections.
"""

import asyncio
import signal

import structlog

from cassini.contracts.resources import ServiceName
from cassini.runtime.database import is_outage
from cassini.runtime.deliveries import backoff
from cassini.runtime.errors import BackendError
from cassini.runtime.metrics import ServiceMetrics
from cassini.runtime.scrape import Measured, Value, first_values, scrape
from cassini.runtime.service import Health, stop_all
from services.distributed.composition import Composed, Composition
from services.distributed.door import Door, internal_app
from services.distributed.settings import DistributedSettings
from services.serving import Server, bind

_log = structlog.get_logger(__name__)
_LONGEST_TRIES = 5
"""Waits grow up to 6.4 s: what is waited for may come back at any time."""


async def run(name: ServiceName, settings: DistributedSettings) -> None:
    """Run until a signal comes.

    Raises:
        CassiniError: it cannot be started as it is set up; the message says why.
    """
    runner = Runner(Composition(name, settings))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listeners = [bind(settings.internal_host, settings.internal_port)]
    if name is ServiceName.API:
        listeners.append(bind(settings.host, settings.port))
    servers = [
        Server(app, listener)
        for app, listener in zip((runner.inside, runner.outside), listeners, strict=False)
    ]
    starting = asyncio.create_task(runner.start())
    try:
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopped
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        runner.close_doors()
        for server in reversed(servers):
            await server.stop()
        await runner.stop()


class Runner:
    """Brings one service up, however long what it needs is away."""

    def __init__(self, composition: Composition) -> None:
        self._composition = composition
        self._running: Composed | None = None
        self._why = "it has just begun"
        self.inside = Door(lambda: self._why)
        self.outside = Door(lambda: self._why)
        self.inside.open(internal_app(self.health, self.metrics))

    async def health(self) -> Health:
        """Say whether the service can do its work now."""
        if self._running is None:
            return Health(ready=False, reason=f"{self._composition.name}: {self._why}")
        return await self._running.service.health()

    async def metrics(self) -> bytes:
        """Return what the service counts and measures; before it is up, that it is not."""
        if self._running is not None:
            return await scrape([self._running.service.measured()])
        return await scrape([Measured(ServiceMetrics(self._composition.name), {"health": _not_up})])

    async def start(self) -> None:
        """Prepare the service until that works, then let it run."""
        tries = 0
        while self._running is None:
            made = self._composition.compose()
            try:
                await made.service.prepare()
            except Exception as error:
                await _discard(made)
                if not (isinstance(error, BackendError) or is_outage(error)):
                    raise
                self._wait_for(error)
                tries += 1
                await asyncio.sleep(backoff(min(tries, _LONGEST_TRIES)))
            except asyncio.CancelledError:
                await _discard(made)
                raise
            else:
                self._running = made
        made.service.run()
        self.inside.open(internal_app(self.health, self.metrics, made.internal_routes))
        if made.public_app is not None:
            self.outside.open(made.public_app())
        _log.info("the service is up", service=str(self._composition.name))

    def close_doors(self) -> None:
        """End what goes on for ever (streams of the api)."""
        if self._running is not None:
            self._running.service.end_streams()

    async def stop(self) -> None:
        """Stop the service, if it is up."""
        if self._running is not None:
            await stop_all([self._running.service])
            await self._running.close()

    def _wait_for(self, error: Exception) -> None:
        why = error.message if isinstance(error, BackendError) else f"the database: {error}"
        if why != self._why:
            _log.warning("waiting", service=str(self._composition.name), reason=why)
        self._why = f"waiting for what it needs: {why}"


async def _not_up() -> list[Value]:
    return first_values(ready=False)


async def _discard(made: Composed) -> None:
    """Close what a start that failed has opened; nothing of it may be left."""
    await stop_all([made.service])
    await made.close()
