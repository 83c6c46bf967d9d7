"""A platform to be fuzzed, in a process of its own: ``python -m tests.api.fuzzing.platform <dir>``.

All five services, their databases and HTTP are real; pods are rows of a dictionary and images are
directories, so that a start costs nothing. It prints one line of JSON when it is ready (its
address, and the callers of the roles) and ends when its standard input does.
"""

import asyncio
import json
import sys
from pathlib import Path

import httpx

from cassini.runtime.clock import SystemClock
from cassini.runtime.logs import configure_logging
from cassini.runtime.settings import PlatformSettings
from cassini.testing.waiting import until
from services.api.auth.authentication import caller_of_token
from services.api.people.accounts import create_token, create_user
from services.embedded import Platform
from services.places import Places
from services.provisioner.testing import ScriptedBackend
from services.serving import bind
from tests.system.crash.tiny_images import TinyImages

_HOST = "127.0.0.1"


async def serve(directory: Path) -> None:
    """Run until standard input ends."""
    listener = bind(_HOST, 0)
    places = Places(directory / "home")
    places.prepare()
    settings = PlatformSettings(home=places.home, host=_HOST, port=listener.getsockname()[1])
    images = TinyImages(directory / "images")
    platform = Platform(settings, places, images=images, pods=ScriptedBackend(SystemClock()))
    await platform.start(listener)
    try:
        await until(lambda: _is_ready(platform), seconds=60)
        callers = await _callers(platform)
        for caller in callers.values():
            await _have_something(settings.url, caller["token"])
        print(json.dumps({"url": settings.url, "callers": callers}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await platform.stop(stop_workloads=True)


async def _is_ready(platform: Platform) -> bool:
    return (await platform.health()).ready


async def _callers(platform: Platform) -> dict[str, dict[str, str]]:
    """Return an admin and a user, who are not alone: a token, its id, and the id of its user."""
    api = platform.api.context
    names = {"admin": "admin", "user": "ada"}
    found = {}
    async with api.database.write() as session:
        for name in ("ada", "grace"):
            await create_user(session, name, now=api.clock.now())
        for role, name in names.items():
            token = await create_token(session, api.keys, name, now=api.clock.now())
            caller = await caller_of_token(session, api.keys, token, now=api.clock.now())
            ids = {"token_id": str(caller.token_id), "user_id": caller.user_id}
            found[role] = {"token": token} | ids
    return found


async def _have_something(url: str, token: str) -> None:
    """Make a workspace that runs and one that does not, so that there are rows to be found."""
    headers = {"Authorization": f"token {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        for name in ("runs", "rests"):
            made = await client.post("/api/workspaces", json={"name": name})
            made.raise_for_status()
        started = await client.post(f"/api/workspaces/{made.json()['id']}/start")
        started.raise_for_status()


if __name__ == "__main__":
    configure_logging(level="error", form="json")
    asyncio.run(serve(Path(sys.argv[1])))
