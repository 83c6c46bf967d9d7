"""The api over HTTP on both databases, with three people: an admin, an owner and another user."""

import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import col, select

from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.declarations import Declarations
from cassini.runtime.instruments import Instruments
from cassini.runtime.log_source import NO_LINES
from cassini.runtime.outbox import Outbox
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Health
from cassini.runtime.settings import PlatformSettings
from services.api.app import EMBEDDED_ROUTERS, create_app
from services.api.auth.authentication import caller_of_token
from services.api.auth.models import Org, OwnerRow, User
from services.api.auth.tokens import mint_resource_token, mint_token
from services.api.context import ApiContext
from services.api.images.models import Image, ImageTag
from services.api.keys import load_keys
from services.api.people.accounts import (
    create_sign_in_link,
    create_token,
    create_user,
    ensure_first_admin,
)
from services.api.resources.belongings import belongings_of
from services.api.resources.handlers import secrets_changed
from services.api.resources.models import Workspace
from services.api.resources.opening import workspaces_of
from services.api.tables import TABLES
from services.api.watch import Watch

OWN = "its own"
ORIGIN = "http://localhost:8765"


class NoLogs:
    """A log source in which nothing was ever printed."""

    async def pod_logs(self, pod_name, *, previous, lines):
        return []

    async def pod_log_page(self, pod_name, *, first, lines):
        return NO_LINES

    async def build_logs(self, image_id, *, lines):
        return []

    async def metrics(self, workload_id, *, start, end, step):
        return []


@dataclass(frozen=True)
class Person:
    """A user with a token of their own."""

    user_id: str
    username: str
    owner_id: str
    token: str

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


@dataclass(frozen=True)
class World:
    """The api, and who is in its one org."""

    api: ApiContext
    admin: Person
    owner: Person
    other: Person
    org_id: str
    image_id: str
    image_tag_id: str

    async def workspace(self, owner: Person) -> str:
        """Put a stopped workspace into the database and return its id."""
        row_id = new_id()
        now = self.api.clock.now()
        async with self.api.database.write() as session:
            session.add(
                Workspace(
                    id=row_id,
                    owner_id=owner.owner_id,
                    created_at=now,
                    updated_at=now,
                    name=f"w-{row_id[:8]}",
                    image_tag_id=self.image_tag_id,
                    instance_size="small",
                    working_dir="/home/jovyan/workspace",
                    disk_space="10Gi",
                    auto_shutoff="Never",
                    subdomain=f"w-{row_id[:12]}",
                )
            )
        return row_id

    async def resource_token(
        self, owner: Person, resource_id: str, *, scope: str | None = OWN
    ) -> dict[str, str]:
        """Return the header that a workspace's own token makes; by default it is for it alone."""
        async with self.api.database.write() as session:
            _, text = await mint_resource_token(
                session,
                self.api.keys,
                now=self.api.clock.now(),
                user_id=owner.user_id,
                owner_id=owner.owner_id,
                resource_id=resource_id,
                resource_type="workspace",
                scope=f"workspace:{resource_id}" if scope == OWN else scope,
            )
        return {"Authorization": f"token {text}"}

    async def scoped_token(self, person: Person, scope: str) -> dict[str, str]:
        """Return the header that a person's token of this scope makes."""
        async with self.api.database.write() as session:
            _, text = await mint_token(
                session,
                self.api.keys,
                now=self.api.clock.now(),
                user_id=person.user_id,
                scope=scope,
            )
        return {"Authorization": f"token {text}"}

    async def make_org_admin(self, person: Person) -> None:
        """Let a person look after the org, without being an admin of the installation."""
        async with self.api.database.write() as session:
            row = await session.get(OwnerRow, person.owner_id)
            row.org_admin = True

    async def person(self, name: str, **changed) -> Person:
        """Make another user of the org."""
        async with self.api.database.write() as session:
            await create_user(session, name, now=self.api.clock.now(), **changed)
            return await _person(session, self.api, name)

    async def stranger(self) -> Person:
        """Make a user of another org."""
        async with self.api.database.write() as session:
            org = Org(name="elsewhere", created_at=self.api.clock.now())
            user = User(username="stranger", created_at=self.api.clock.now())
            session.add_all([org, user])
            await session.flush()
            session.add(OwnerRow(org_id=org.id, user_id=user.id, created_at=self.api.clock.now()))
            await session.flush()
            return await _person(session, self.api, "stranger")

    async def link(self, username: str) -> str:
        """Return the code of a new sign-in link."""
        async with self.api.database.write() as session:
            return await create_sign_in_link(session, username, now=self.api.clock.now())


@pytest.fixture
async def api(database, tmp_path, clock) -> ApiContext:
    """The context of an app on an empty database."""
    await database.run_sync(TABLES.metadata.create_all)
    bus = MemoryBus()
    outbox = Outbox(TABLES.outbox, service=ServiceName.API, bus=bus, clock=clock)

    async def well() -> Health:
        return Health(ready=True)

    async def nothing_to_tell() -> bytes:
        return b""

    return ApiContext(
        database=database,
        declarations=Declarations(TABLES.declaration, outbox, clock),
        clock=clock,
        sealer=KeyRing(tmp_path / "keys").sealer(),
        settings=PlatformSettings(home=tmp_path, base_url=ORIGIN),
        keys=load_keys(tmp_path / "keys"),
        log_source=NoLogs(),
        ready=well,
        platform=well,
        workspaces_of=workspaces_of,
        watch=Watch(),
        instruments=Instruments(ServiceName.API),
        metrics=nothing_to_tell,
        belongings_of=belongings_of,
        secrets_changed=secrets_changed,
    )


@pytest.fixture
async def world(api) -> World:
    """Three people and a public image."""
    now = api.clock.now()
    image_id, tag_id = new_id(), new_id()
    async with api.database.write() as session:
        await ensure_first_admin(session, now=now)
        people = {"admin": await _person(session, api, "admin")}
        for name in ("owner", "other"):
            await create_user(session, name, now=now)
            people[name] = await _person(session, api, name)
        session.add(
            Image(
                id=image_id,
                owner_id=people["admin"].owner_id,
                name="python",
                access="account",
                created_at=now,
            )
        )
        await session.flush()
        session.add(
            ImageTag(
                id=tag_id,
                image_id=image_id,
                version="1",
                image_uri="cassini/python:1",
                created_at=now,
            )
        )
        org_id = (await session.exec(select(col(Org.id)))).one()
    return World(api=api, org_id=org_id, image_id=image_id, image_tag_id=tag_id, **people)


async def _person(session, api, name) -> Person:
    token = await create_token(session, api.keys, name, now=api.clock.now())
    caller = await caller_of_token(session, api.keys, token, now=api.clock.now())
    return Person(caller.user_id, name, caller.default_owner_id, token)


@pytest.fixture(scope="session")
def one_app() -> FastAPI:
    """An app for all tests: with one a test, collecting them as garbage blocks event loops."""
    app = create_app(None, EMBEDDED_ROUTERS)
    gc.collect()
    gc.freeze()
    return app


@pytest.fixture
def app(one_app, api) -> FastAPI:
    """The app on this test's database."""
    one_app.state.api = api
    return one_app


@pytest.fixture
async def connect(app, world) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Opens HTTP clients of the app, each with its own cookies; settings can be changed."""
    clients = []

    def open_client(*, base_url: str = ORIGIN, **changed) -> httpx.AsyncClient:
        serving = app
        if changed or base_url != ORIGIN:
            settings = world.api.settings.model_copy(update={"base_url": base_url})
            serving = create_app(replace(world.api, settings=settings, **changed))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(serving), base_url=base_url)
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        await client.aclose()


@pytest.fixture
def client(connect) -> httpx.AsyncClient:
    """A client that shows nothing of itself."""
    return connect()


@pytest.fixture
async def browser(connect, world) -> httpx.AsyncClient:
    """A client in which ``owner`` is signed in."""
    client = connect()
    code = await world.link("owner")
    form, origin = {"code": code}, {"Origin": ORIGIN}
    response = await client.post("/sign-in", data=form, headers=origin)
    assert response.status_code == 303
    return client
