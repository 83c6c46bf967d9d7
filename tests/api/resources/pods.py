"""Pods for facts, and a workspace that has them."""

from cassini.contracts.workloads import PodObserved

MADE_AT = 1_700_000_000.0


def pod(resource_id, *, revision=1, rank=0, attempt=1, **seen):
    """Return a pod as a fact has it."""
    fact = {
        "name": f"{resource_id}-{revision}-{rank}-{attempt}",
        "rank": rank,
        "attempt": attempt,
        "revision": revision,
        "status": "running",
        "created_at": MADE_AT + 1000 * revision + 10 * rank + attempt,
    }
    return PodObserved(**(fact | seen))


async def started(client, name="first"):
    """Create and start a workspace."""
    made = (await client.post("/api/workspaces", json={"name": name})).json()
    await client.post(f"/api/workspaces/{made['id']}/start")
    return made["id"]
