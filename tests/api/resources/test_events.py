"""The live stream over a real server: everything once, one's own only, and it ends when it must."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from cassini.testing.waiting import until
from services.api.watch import MOST_STREAMS

SECONDS = 20


@pytest.fixture
async def served(world):
    """The address of the app on a real server."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(world.app, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    world.service.context.watch.close()
    server.should_exit = True
    await serving


class Stream:
    """An open stream; ``next`` returns one event after the other."""

    def __init__(self, response):
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self):
        """Return (event, data); None at the end of the stream."""
        event = {}
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name:
                    event[name] = value
                elif "event" in event:
                    return event["event"], json.loads(event["data"])
        return None

    async def resource(self):
        name, data = await self.next()
        assert name == "resource"
        return data


@asynccontextmanager
async def stream(served, client):
    headers = dict(client.headers)
    async with (
        httpx.AsyncClient(base_url=served, headers=headers, timeout=SECONDS) as real,
        real.stream("GET", "/api/events") as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        opened = Stream(response)
        assert await opened.next() == ("ready", {})
        yield opened


async def create(client, name="one"):
    response = await client.post("/api/workspaces", json={"name": name})
    assert response.status_code == 201, response.text
    return response.json()["id"]


async def test_every_step_of_a_workspace_s_life_is_told_as_it_happens(world, served, ada):
    async with stream(served, ada) as events:
        made = await create(ada)
        told = await events.resource()
        assert (told["id"], told["name"], told["status"]) == (made, "one", "stopped")
        assert told["owner"] == "main/ada"

        await ada.post(f"/api/workspaces/{made}/start")
        assert (await events.resource())["status"] == "pending"
        await world.running(made)
        assert (await events.resource())["status"] == "running"
        await ada.patch(f"/api/workspaces/{made}", json={"start_script": "true"})
        assert (await events.resource())["require_restart"] is True
        await ada.delete(f"/api/workspaces/{made}", params={"allow_active": "true"})
        assert (await events.resource()) | {"deleted": True, "id": made} == await gone(made)
        await world.workload(made, "absent")
        other = await create(ada, "two")
        assert (await events.resource())["id"] == other  # its absence was told already


async def gone(resource_id):
    nothing = dict.fromkeys(
        ("resource_type", "name", "owner", "status", "reason", "message", "require_restart"), None
    )
    return {"id": resource_id, "deleted": True, "started_at": None, "updated_at": None} | nothing


async def test_what_others_do_is_not_told(world, served, ada):
    bob = await world.user("bob")
    async with stream(served, ada) as events:
        await create(bob)
        mine = await create(ada)
        assert (await events.resource())["id"] == mine


async def test_a_hint_that_was_lost_is_made_up_for(world, served, ada, monkeypatch):
    monkeypatch.setattr("services.api.watch.LOOK_SECONDS", 0.05)
    async with stream(served, ada) as events:
        monkeypatch.setattr(world.service.outbox, "hint", lambda _message: None)
        made = await create(ada)
        assert (await events.resource())["id"] == made


async def test_a_token_that_is_revoked_ends_the_stream(world, served, ada):
    token = (await ada.post("/api/tokens", json={"description": "stream"})).json()
    client = world.client(token["access_token"])
    async with stream(served, client) as events:
        assert (await ada.delete(f"/api/tokens/{token['id']}")).status_code == 204
        await create(ada)
        name, data = await events.next()
        assert (name, data["code"]) == ("end", "bad_token")
        assert await events.next() is None


async def test_the_stream_ends_when_the_server_stops(world, served, ada):
    async with stream(served, ada) as events:
        world.service.context.watch.close()
        assert await events.next() is None


async def test_one_stream_too_many_is_refused_and_closed_ones_do_not_count(world, served, ada):
    headers = dict(ada.headers)
    async with httpx.AsyncClient(base_url=served, headers=headers, timeout=SECONDS) as client:
        for _ in range(MOST_STREAMS):
            await client.send(client.build_request("GET", "/api/events"), stream=True)
        refused = await client.get("/api/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert int(refused.headers["retry-after"]) > 0
    watch = world.service.context.watch
    await until(lambda: watch._of_user.total() == 0)
    async with stream(served, ada):
        pass


async def test_nobody_gets_no_stream(served):
    async with httpx.AsyncClient(base_url=served) as client:
        assert (await client.get("/api/events")).status_code == 401
