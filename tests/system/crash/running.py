"""A platform in this process, driven by a test: HTTP as a client, facts as they are on the disk.

What is *settled* is looked up in all databases: no event on its way, no dead letter, every wish
observed at its generation, no row due or claimed.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from cassini.runtime.settings import PlatformSettings
from services.embedded import Platform
from services.places import Places
from services.serving import bind
from tests.system.crash.tiny_images import TinyImages

SETTLE_SECONDS = 40.0
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

    def __init__(
        self, platform: Platform, http: httpx.AsyncClient, settings: PlatformSettings
    ) -> None:
        self.platform = platform
        self.http = http
        self.settings = settings
        self.home = settings.home
        self._databases: dict[str, sqlite3.Connection] = {}

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

    def rows(self, service: str, query: str, **values: Any) -> list[dict[str, Any]]:
        """Return what a query finds in the database of a service, read past the platform."""
        if service not in self._databases:
            file = self.home / "databases" / f"{service}.db"
            self._databases[service] = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            self._databases[service].row_factory = sqlite3.Row
        return [dict(row) for row in self._databases[service].execute(query, values)]

    async def settle(self, workspace_id: str, *statuses: str | None) -> None:
        """Wait until a workspace has such a status (None: is gone) and nothing moves any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while why := self._status_is_not(workspace_id, statuses) or self.moving():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not at rest in {SETTLE_SECONDS:.0f} s: {'; '.join(why)}")
            await asyncio.sleep(0.01)

    def _status_is_not(self, workspace_id: str, statuses: tuple[str | None, ...]) -> list[str]:
        query = "SELECT status, message FROM workspace WHERE id = :id"
        found = self.rows("api", query, id=workspace_id)
        now = found[0]["status"] if found else None
        return [] if now in statuses else [f"it is {now}, not {statuses}: {found}"]

    def moving(self) -> list[str]:
        """Return what has not come to rest yet, over all services."""
        found = []
        for service, nouns in OWNED.items():
            found += [
                f"{service} has to deliver {row['type']} to {row['destination']}: {row['error']}"
                for row in self.rows(service, _UNSENT)
            ]
            found += [
                f"{service}'s wish for {row['noun']} {row['id']} is not observed"
                for row in self.rows(service, _UNOBSERVED)
            ]
            for noun in nouns:
                due = self.rows(service, _DUE.format(noun=noun), now=time.time())
                found += [f"{noun} {row['id']} is being worked on" for row in due]
        for row in self.rows("provisioner", "SELECT id, fact FROM workload"):
            status = json.loads(row["fact"])["status"] if row["fact"] else None
            if status not in _AT_REST:
                found.append(f"workload {row['id']} is {status}")
        return found


_AT_REST = ("running", "stopped", "absent", "completed", "error")
_UNSENT = "SELECT json_extract(envelope, '$.type') AS type, destination, error FROM outbox"
_UNOBSERVED = """
    SELECT noun, id FROM declaration
    WHERE emit_tries > 0 OR observed_generation <> generation
"""
_DUE = "SELECT id FROM {noun} WHERE claim_token IS NOT NULL OR due_at <= :now"


@asynccontextmanager
async def running(home: Path, images: str | None, token: str | None) -> AsyncIterator[Running]:
    """Run the platform on a data directory as ``cassini up`` does; stopped cleanly at the end.

    ``images``: where tiny images are; None: images are the real ones.
    """
    settings = PlatformSettings(home=home, base_url="http://cassini.test", log_level="warning")
    places = Places(home)
    places.prepare()
    places.hold()
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    tiny = None if images is None else TinyImages(Path(images))
    platform = Platform(settings, places, images=tiny)
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        await platform.start(listener)
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=30, trust_env=False, verify=False
        ) as http:
            yield Running(platform, http, settings)
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
