"""The api alone: its real app on SQLite, and facts about its wishes fed by hand."""

import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from cassini.contracts.credentials import CredentialObservedV1
from cassini.contracts.images import ImageObservedV1
from cassini.contracts.resources import ServiceName, new_id
from cassini.contracts.workloads import (
    BackendObservedV1,
    Endpoint,
    PodObserved,
    WorkloadObservedV1,
)
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.database import Database
from cassini.runtime.inbox import Inbox
from cassini.runtime.log_source import LogLine, LogPage, PodMetrics
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground, Health
from cassini.runtime.settings import PlatformSettings
from services.api.app import create_app
from services.api.context import ApiContext
from services.api.images.wishes import default_tag
from services.api.people.accounts import create_token, create_user
from services.api.service import ApiService

GIB = 1024**3
BASE_URL = "http://cassini.test"


class TestClock:
    """A clock that a test moves."""

    __test__ = False

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        self.time += 0.001
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits for {seconds} seconds")


class Logs:
    """A log source that a test fills. The first lines of ``dropped`` are not kept any more."""

    def __init__(self) -> None:
        self.pods: dict[str, list[str]] = {}
        self.dropped: dict[str, int] = {}
        self.read: list[tuple[str, int, int]] = []
        """What pages were read: pod, first line, lines."""
        self.builds: dict[str, list[LogLine]] = {}
        self.used: dict[str, list[PodMetrics]] = {}
        self.asked: dict[str, float] = {}
        """Of which time metrics were read last."""

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        key = f"{pod_name} previous" if previous else pod_name
        return [LogLine(None, text) for text in self.pods.get(key, [])[-lines:]]

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        self.read.append((pod_name, first, lines))
        log = self.pods.get(pod_name, [])
        end = len(log)
        first = max(first + end if first < 0 else first, self.dropped.get(pod_name, 0))
        wanted = enumerate(log[first : first + lines], first)
        shown = tuple(LogLine(1_800_000_000.0 + n, text) for n, text in wanted)
        return LogPage(first, shown, end)

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        return self.builds.get(image_id, [])[-lines:]

    async def metrics(self, workload_id: str, **time: float) -> list[PodMetrics]:
        self.asked = time
        return self.used.get(workload_id, [])


async def _healthy() -> Health:
    return Health(ready=True)


class World:
    """The api service, clients of it, and the facts that others would send."""

    def __init__(self, directory: Path, app: FastAPI, database: Database) -> None:
        self.app = app
        self.clock = TestClock()
        self.logs = Logs()
        ring = KeyRing(directory / "keys")
        self.opener = ring.opener(ServiceName.SECRETS)
        self.provisioner = ring.opener(ServiceName.PROVISIONER)
        self.ground = Ground(
            database=database,
            bus=MemoryBus(),
            clock=self.clock,
            sealer=ring.sealer(),
            opener=ring.opener(ServiceName.API),
            exclusive=True,
        )
        self.service = ApiService(
            self.ground,
            settings=PlatformSettings(base_url=BASE_URL),
            keys=directory / "keys",
            log_source=self.logs,
            health=_healthy,
        )
        self.sequence = 0
        self.clients: list[httpx.AsyncClient] = []

    async def open(self) -> None:
        metadata = self.service._tables.metadata
        await self.ground.database.run_sync(metadata.create_all)
        await self.service.open()
        service = self.service
        inbox = Inbox(ServiceName.API, self.ground.database, service.handlers, service.listeners)
        inbox.connect(self.ground.bus)
        self.app.state.api = service.context
        async with self.ground.database.read() as session:
            self.tag = await default_tag(session)

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()

    def client(self, token: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"token {token}"} if token else {}
        transport = httpx.ASGITransport(app=self.app)
        client = httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers)
        self.clients.append(client)
        return client

    async def user(self, name: str) -> httpx.AsyncClient:
        async with self.ground.database.write() as session:
            if name != "admin":
                await create_user(session, name, now=self.clock.now())
            token = await create_token(
                session, self.service.context.keys, name, now=self.clock.now()
            )
        return self.client(token)

    async def handle(self, fact: Any) -> None:
        names = {
            WorkloadObservedV1: "workload",
            ImageObservedV1: "image",
            CredentialObservedV1: "credential",
            BackendObservedV1: "backend",
        }
        handler = self.service.handlers[f"{names[type(fact)]}.observed.v1"]
        async with self.ground.database.write() as session:
            await handler(session, fact)

    async def wish(self, noun: str, resource_id: str) -> Any:
        async with self.ground.database.read() as session:
            return await self.service.declarations.wish(session, noun, resource_id)

    async def credentials(self, resource_id: str) -> dict[str, Any]:
        """Return the wishes of a resource's secrets by variable, as its last wish names them."""
        wish = await self.wish("workload", resource_id)
        return {
            secret.variable: await self.wish("credential", secret.credential_id)
            for secret in wish.spec.secrets
        }

    def value(self, wish: Any) -> str:
        return self.opener.open(wish.sealed, resource_id=wish.id, generation=wish.generation)

    async def jupyter_token(self, resource_id: str) -> str:
        """Return the token that the provisioner finds in a resource's last wish."""
        wish = await self.wish("workload", resource_id)
        opened = self.provisioner.open(
            wish.sealed, resource_id=resource_id, generation=wish.generation
        )
        values: dict[str, str] = json.loads(opened)
        return values["JUPYTER_TOKEN"]

    async def numbers(self, noun: str, resource_id: str, **changed: Any) -> dict[str, Any]:
        """Return the numbers of a new fact about the last wish."""
        wish = await self.wish(noun, resource_id)
        self.sequence += 1
        return {
            "id": resource_id,
            "declarer": "api",
            "generation": wish.generation if wish else 0,
            "wish_digest": wish.digest() if wish else "",
            "sequence": self.sequence,
        } | changed

    async def backend(self, cores: float = 4, memory: int = 8 * GIB, **seen: Any) -> None:
        self.sequence += 1
        fact = {
            "id": "b" * 32,
            "declarer": "provisioner",
            "generation": 0,
            "sequence": self.sequence,
            "kind": "local",
            "reachable": True,
            "cores": cores,
            "memory_bytes": memory,
            "isolation": "none",
        }
        await self.handle(BackendObservedV1(**(fact | seen)))

    async def image(self, status: str = "built", **seen: Any) -> None:
        numbers = await self.numbers("image", self.tag.id)
        reference = "/data/images/abc" if status == "built" else None
        await self.handle(
            ImageObservedV1(**(numbers | {"status": status, "reference": reference} | seen))
        )

    async def workload(self, resource_id: str, status: str, **seen: Any) -> None:
        numbers = await self.numbers("workload", resource_id)
        wish = await self.wish("workload", resource_id)
        numbers["revision"] = wish.revision if wish else 0
        await self.handle(WorkloadObservedV1(**(numbers | {"status": status} | seen)))

    async def running(self, resource_id: str, **seen: Any) -> None:
        wish = await self.wish("workload", resource_id)
        pod = PodObserved(
            name=f"{resource_id}-{wish.revision}-0-1",
            rank=0,
            attempt=1,
            revision=wish.revision,
            status="running",
            ready=True,
            started_at=self.clock.now(),
            endpoints=(Endpoint(container_port=8888, host="127.0.0.1", port=40001),),
        )
        started = {"pods": (pod,), "started_at": self.clock.now()}
        await self.workload(resource_id, "running", **(started | seen))

    async def credential(self, wish: Any, status: str = "stored", **seen: Any) -> None:
        numbers = await self.numbers("credential", wish.id, **seen)
        await self.handle(CredentialObservedV1(**numbers, status=status))


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The real app, made once: each test gives it its own context."""
    return create_app(cast(ApiContext, None))


@pytest.fixture
async def world(tmp_path: Path, app: FastAPI, database: Database) -> AsyncIterator[World]:
    """The api with a backend seen and the built-in image built.

    What is loaded by now is taken out of the garbage collector's sight: SQLAlchemy keeps what it
    compiles for each test's engine, and full collections over all of it would hold the event loop
    for a quarter of a second.
    """
    gc.freeze()
    world = World(tmp_path, app, database)
    await world.open()
    try:
        await world.backend()
        await world.image()
        yield world
    finally:
        await world.close()


@pytest.fixture
async def admin(world: World) -> httpx.AsyncClient:
    return await world.user("admin")


@pytest.fixture
async def ada(world: World) -> httpx.AsyncClient:
    return await world.user("ada")


@pytest.fixture
def unknown_id() -> str:
    return new_id()
