"""The Docker backend: what each call of ``Backend`` does with containers, volumes and networks."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import structlog

from cassini.runtime.errors import BackendError
from cassini.runtime.log_source import LogPage
from services.provisioner.backends.base import BackendDescription, Pod, PodUsage
from services.provisioner.backends.docker import inside, names
from services.provisioner.backends.docker.engine import Client, Engine, Refused
from services.provisioner.backends.docker.facts import Container
from services.provisioner.backends.docker.gateway import Gateway
from services.provisioner.backends.docker.homes import Homes
from services.provisioner.backends.docker.images import Images
from services.provisioner.backends.docker.log_reader import LogReader
from services.provisioner.backends.docker.names import Names
from services.provisioner.backends.docker.networks import Networks
from services.provisioner.backends.docker.pods import NOT_FOUND, Pods
from services.provisioner.backends.docker.starting import Starter
from services.provisioner.backends.docker.usage import usage
from services.provisioner.backends.docker.watch import Watch
from services.provisioner.plan import PodName, PodPlan
from services.provisioner.settings import DockerSettings

_CONFLICT = 409
_STOP_PATIENCE = 5.0
_KEEP_SECONDS = 3600.0
_STATISTICS_AT_ONCE = 8
_LIMITS = (("MemoryLimit", "memory"), ("CpuCfsQuota", "cpu"), ("PidsLimit", "processes"))
_PERMISSIONS = 0o777

_log = structlog.get_logger(__name__)


class DockerBackend:
    """Runs pods as containers of one Docker engine; see ``Backend`` for what each call promises."""

    def __init__(
        self,
        *,
        installation_id: str,
        settings: DockerSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings or DockerSettings()
        self._names = Names(installation_id)
        self._engine = Engine(self._settings.host, seconds=self._settings.call_seconds)
        self._pods = Pods(self._engine, self._names)
        self._homes = Homes(self._engine, self._names, self._settings.trash_days, clock)
        self._gateway = Gateway(self._engine, self._settings.gateway)
        self._networks = Networks(self._engine, self._names, self._settings, self._gateway)
        self._images = Images(self._engine, seconds=self._settings.pull_seconds)
        self._logs = LogReader()
        self._watch = Watch(
            self._engine, self._names, self._pods.changed, self._pods.told, self._workloads
        )
        self._starter = Starter(
            self._engine,
            self._names,
            self._settings,
            self._pods,
            self._homes,
            self._networks,
            self._images,
            self._watch,
        )
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stops: dict[str, asyncio.Future[None]] = {}
        self._measuring = asyncio.Semaphore(_STATISTICS_AT_ONCE)
        self._keeping: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start watching; an engine that is away now may come later."""
        self._watch.open()
        joined = self._gateway.keep_joined(self._networks.ids)
        self._keeping = [
            asyncio.create_task(self._keep_house(), name="docker housekeeping"),
            asyncio.create_task(joined, name="docker gateway"),
        ]

    async def close(self) -> None:
        """Stop watching; pods go on, and those that were asked to end go on ending."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._watch.close()
        await self._images.close()
        await self._engine.close()

    async def describe(self) -> BackendDescription:
        """Say what the engine has."""
        info = await self._engine.call(lambda client: client.info())
        found = {word: bool(info.get(key)) for key, word in _LIMITS}
        notes = [
            f"The Docker engine cannot limit {word}: pods may use all of it."
            for word, there in found.items()
            if not there
        ]
        return BackendDescription(
            kind="docker",
            cores=float(info["NCPU"]),
            memory_bytes=int(info["MemTotal"]),
            isolation="containers",
            limits=tuple(word for word, there in found.items() if there),
            notes=tuple(notes),
        )

    async def create(self, plan: PodPlan, secrets: Mapping[str, str]) -> None:
        """Make the container, then start it, then hand over the values: whatever is not done yet.

        Raises:
            Retry: its image is being pulled.
            GiveUp: there is no such image.
        """
        async with self._locks[plan.name.workload_id]:
            await self._starter.create(plan, secrets)

    async def list_pods(self, workload_id: str | None = None) -> Sequence[Pod]:
        """Return every pod, following those that start."""
        listed = await self._pods.containers(workload_id)
        seen = await asyncio.gather(*(self._pods.look(each, self._watch) for each in listed))
        for container, pod in zip(listed, seen, strict=True):
            if pod is not None and container.runs and pod.begun and not pod.ready:
                self._watch.follow(container.id, container.labels)
        return [pod for pod in seen if pod is not None]

    async def terminate(self, name: PodName) -> None:
        """Note that the pod is to end, then ask it to; the engine sees to grace and force."""
        container = await self._pods.find(name)
        if container is None or container in self._stops:
            return
        try:
            written = await self._pods.written(container)
            record = await self._engine.call(lambda client: client.inspect_container(container))
            grace = math.ceil(float(record["Config"]["Labels"].get(names.GRACE, "10")))
            now = time.time()
            if record["State"]["Status"] == "exited":
                return
            if written.stopped_at is None:
                mark = inside.stop_mark(now)
                await self._engine.call(lambda client: client.put_archive(container, "/", mark))
            elif now < written.stopped_at + grace + _STOP_PATIENCE:
                return  # somebody asked it to already, and the engine counts
            else:
                grace = 0
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
            return
        self._pods.changed(container)
        if record["State"]["Running"]:
            paused = record["State"]["Paused"]
            await self._stop(container, grace, paused=paused)
        else:
            self._watch.hint(name.workload_id)

    async def _stop(self, container: str, grace: int, *, paused: bool) -> None:
        """Have the engine stop a container: it counts the grace, whoever asked may go."""

        def work(client: Client) -> None:
            if paused:
                client.unpause(container)
            client.stop(container, timeout=grace)

        def stopped(stop: asyncio.Future[None]) -> None:
            del self._stops[container]
            if error := stop.exception():
                _log.info("a container is not stopped yet", container=container, reason=str(error))

        self._stops[container] = await self._engine.begin(work)
        self._stops[container].add_done_callback(stopped)

    async def remove(self, name: PodName) -> None:
        """End a pod that still lives, and remove all of it; with the last one its network."""
        async with self._locks[name.workload_id]:
            container = await self._pods.find(name)
            if container is not None:
                await self._remove(name, container)
            if not await self._pods.containers(name.workload_id):
                await self._networks.remove(name.workload_id)

    async def _remove(self, name: PodName, container: str) -> None:
        await self.terminate(name)
        if stopping := self._stops.get(container):
            await asyncio.wait({stopping})
        try:
            await self._engine.call(
                lambda client: client.remove_container(container, v=True, force=True)
            )
        except Refused as error:
            if error.status not in {NOT_FOUND, _CONFLICT}:  # gone, or on its way
                raise
        self._pods.changed(container)
        self._logs.forget(container)

    async def discard_home(self, workload_id: str) -> None:
        """Move the home to the trash; what has been there for too long goes."""
        async with self._locks[workload_id]:
            await self._homes.discard(workload_id)
        await self._homes.purge()

    async def recover_home(self, workload_id: str) -> None:
        """Take the newest home back from the trash, if there is none now."""
        async with self._locks[workload_id]:
            await self._homes.recover(workload_id)

    async def read_logs(
        self, name: PodName, *, first: int, lines: int, unended: bool = False
    ) -> LogPage | None:
        """Return lines of a pod that was not removed.

        ``unended`` changes nothing: the engine tells of no line before its end.
        """
        del unended
        container = await self._pods.find(name)
        if container is None:
            return None

        def read(client: Client) -> LogPage:
            # Asked for first: once it has ended nothing more is written.
            complete = client.inspect_container(container)["State"]["Status"] == "exited"
            return self._logs.read(client, container, first=first, lines=lines, complete=complete)

        try:
            return await self._engine.call(read)
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def measure(self) -> Sequence[PodUsage]:
        """Return what every pod that runs has used."""
        running = [each for each in await self._pods.containers() if each.runs]
        found = await asyncio.gather(*(self._measure(each) for each in running))
        return [each for each in found if each is not None]

    async def _measure(self, container: Container) -> PodUsage | None:
        async with self._measuring:
            try:
                stats = await self._engine.call(
                    lambda client: client.stats(container.id, stream=False, one_shot=True)
                )
            except Refused as error:
                if error.status in {NOT_FOUND, _CONFLICT}:  # it has just ended
                    return None
                raise
        return usage(names.pod_name(container.labels), container.created_at, stats)

    def changes(self) -> AsyncIterator[str]:
        """Yield ids of workloads whose containers may have changed."""
        return self._watch.changes()

    async def _workloads(self) -> set[str]:
        return {each.labels[names.WORKLOAD] for each in await self._pods.containers()}

    async def _keep_house(self) -> None:
        """Empty the trash and remove networks that a kill left without pods, now and every hour."""
        left: set[str] = set()
        while True:
            try:
                await self._homes.purge()
                without = await self._networks.workloads() - await self._workloads()
                for workload_id in without & left:  # an hour ago too, so nobody makes a pod there
                    await self._networks.remove(workload_id)
                left = without
            except BackendError as error:
                _log.warning("the Docker engine cannot be cleaned up", reason=error.message)
            await asyncio.sleep(_KEEP_SECONDS)
