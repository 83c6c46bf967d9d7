"""Secrets for the tests of their routes: making, giving, and what the secrets service says."""

from typing import Any

SECRETS, WORKSPACES = "/api/secrets", "/api/workspaces"
VARIABLE, FILE = "environment_variable", "file"


async def make(client, name="key", value="v1", **more) -> dict[str, Any]:
    answer = await client.post(SECRETS, json={"name": name, "value": value, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def change(client, secret, **values) -> dict[str, Any]:
    answer = await client.patch(f"{SECRETS}/{secret['id']}", json=values)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def show(client, secret) -> dict[str, Any]:
    return (await client.get(f"{SECRETS}/{secret['id']}")).json()


async def told(world, secret, status="stored", **seen) -> None:
    """Let the secrets service say what became of the last value."""
    await world.credential(await world.wish("credential", secret["id"]), status, **seen)


async def stored(world, client, name="key", value="v1", **more) -> dict[str, Any]:
    secret = await make(client, name, value, **more)
    await told(world, secret)
    return secret


async def workspace(client, name="first") -> str:
    answer = await client.post(WORKSPACES, json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def give(client, resource_id, location="KEY", *, status=201, **body) -> dict[str, Any]:
    url = f"{WORKSPACES}/{resource_id}/secrets"
    answer = await client.post(url, json={"location": location, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def given(client, resource_id, **query) -> list[dict[str, Any]]:
    answer = await client.get(f"{WORKSPACES}/{resource_id}/secrets", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["secret_attachments"]


async def start(client, resource_id, verb="start", *, status=200) -> dict[str, Any]:
    answer = await client.post(f"{WORKSPACES}/{resource_id}/{verb}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def look(client, resource_id) -> dict[str, Any]:
    return (await client.get(f"{WORKSPACES}/{resource_id}")).json()


async def named(world, resource_id) -> dict[str, tuple[str, int]]:
    """Return what the last wish names beside its token: place -> credential and generation."""
    spec = (await world.wish("workload", resource_id)).spec
    places = {each.variable: each for each in spec.secrets}
    places |= {each.path: each for each in spec.secret_files}
    del places["SATURN_TOKEN"]
    return {at: (each.credential_id, each.minimum_generation) for at, each in places.items()}
