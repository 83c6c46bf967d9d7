"""A platform in this process, driven by a test: HTTP as a client, facts as they are on the disk.

What is *settled* is looked up in all databases: no event on its way, no dead letter, every wish
observed at its generation, no row due or claimed.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from cassini.contracts.resources import ServiceName
from cassini.runtime.database import Database
from cassini.runtime.settings import PlatformSettings
from services.embedded import Platform, bind
from services.places import Places
from tests.system.crash.tiny_images import TinyImages

SETTLE_SECONDS = 25.0
OWNED = {
    "provisioner": ("workload", "backend"),
    "secrets": ("credential", "lease"),
    "builder": ("image",),
    "api": (),
    "scheduler": (),
}
OWNERS = {"workload": "provisioner", "credential": "secrets", "lease": "secrets"}


class Running:
    """A started platform and what a test asks of it."""

    def __init__(self, platform: Platform, http: httpx.AsyncClient, home: Path) -> None:
        self.platform = platform
        self.http = http
        self.home = home

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> httpx.Response:
        """Send a request, with the admin's token if no other is given."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return await self.http.request(method, path, json=body, headers=headers)

    async def workspace(self, workspace_id: str) -> dict[str, Any] | None:
        """Return a workspace as the API shows it."""
        answer = await self.ask("GET", f"/api/workspaces/{workspace_id}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else answer.json()

    async def create(self, name: str) -> str:
        """Create a workspace and return its id."""
        answer = await self.ask("POST", "/api/workspaces", {"name": name})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def request(self, verb: str, workspace_id: str) -> int:
        """Ask for a verb and return the status code."""
        path = f"/api/workspaces/{workspace_id}"
        if verb == "delete":
            return (await self.ask("DELETE", f"{path}?allow_active=true")).status_code
        return (await self.ask("POST", f"{path}/{verb}")).status_code

    async def rows(self, service: str, query: str, **values: Any) -> list[dict[str, Any]]:
        """Return what a query finds in the database of a service."""
        database = next(each.database for each in self.platform.services if each.name == service)
        return await rows(database, query, **values)

    async def settle(self, workspace_id: str, status: str | None) -> None:
        """Wait until a workspace has this status (None: is gone) and nothing moves any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            why = await self._unsettled(workspace_id, status)
            if not why:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"not settled in {SETTLE_SECONDS:.0f} s: {'; '.join(why)}")
            await asyncio.sleep(0.02)

    async def _unsettled(self, workspace_id: str, status: str | None) -> list[str]:
        shown = await self.workspace(workspace_id)
        now_is = None if shown is None else shown["status"]
        if now_is != status:
            return [f"it is {now_is}, not {status}: {shown and shown['message']}"]
        return await self.moving()

    async def moving(self) -> list[str]:
        """Return what has not come to rest yet, over all services."""
        found = []
        for service, nouns in OWNED.items():
            found += [
                f"{service} has to deliver {row['type']} to {row['destination']}: {row['error']}"
                for row in await self.rows(service, _UNSENT)
            ]
            found += [
                f"{service}'s wish for {row['noun']} {row['id']} is not observed"
                for row in await self.rows(service, _UNOBSERVED)
            ]
            for noun in nouns:
                due = await self.rows(service, _DUE.format(noun=noun), now=time.time())
                found += [f"{noun} {row['id']} is being worked on" for row in due]
        return found


_UNSENT = """
    SELECT type, destination, error FROM outbox_delivery
    JOIN outbox_event ON outbox_event.id = event_id
"""
_UNOBSERVED = """
    SELECT noun, id FROM declaration
    WHERE emit_tries > 0 OR observed_generation <> generation
"""
_DUE = "SELECT id FROM {noun} WHERE claim_token IS NOT NULL OR due_at <= :now"


async def rows(database: Database, query: str, **values: Any) -> list[dict[str, Any]]:
    """Return what a query finds."""
    async with database.read() as session:
        found = await session.execute(text(query), values)
        return [dict(row._mapping) for row in found]


@asynccontextmanager
async def running(home: Path, images: Path, token: str | None) -> AsyncIterator[Running]:
    """Run the platform on a data directory as ``cassini up`` does; stopped cleanly at the end."""
    settings = PlatformSettings(home=home, base_url="http://cassini.test", log_level="warning")
    places = Places(home)
    places.prepare()
    places.hold()
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    platform = Platform(settings, places, images=TinyImages(images))
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        await platform.start(listener)
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=30, trust_env=False
        ) as http:
            yield Running(platform, http, home)
    finally:
        await platform.stop()
        places.release()


async def until_ready(here: Running) -> None:
    """Wait until a workspace could be started."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not (health := await here.platform.health()).ready:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready: {health.reason}")
        await asyncio.sleep(0.01)


def service_names() -> list[str]:
    """Return all services."""
    return [str(name) for name in ServiceName]
