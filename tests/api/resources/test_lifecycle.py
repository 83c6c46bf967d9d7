import asyncio

import pytest

from services.api.resources.models import Workspace

PATH = "/api/workspaces"


async def create(client, **fields):
    answer = await client.post(PATH, json={"name": "first"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def ask(client, resource_id, verb, **body):
    answer = await client.post(f"{PATH}/{resource_id}/{verb}", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def shown(client, resource_id):
    return (await client.get(f"{PATH}/{resource_id}")).json()


async def bring_to(world, client, resource_id, state):
    """Bring a new workspace into a state, as users and facts would."""
    if state == "stopped":
        return
    await ask(client, resource_id, "start")
    if state in {"running", "stopping", "stopped again"}:
        await world.running(resource_id)
    if state == "error":
        await world.workload(resource_id, "error", reason="Crashed", message="It crashed.")
    if state in {"stopping", "stopped again"}:
        await ask(client, resource_id, "stop")
    if state == "stopped again":
        await world.workload(resource_id, "stopped")


# state, verb: status afterwards, what is wished for, whether the revision and generation rose
TABLE = [
    ("stopped", "start", "pending", "running", True, True),
    ("stopped", "restart", "pending", "running", True, True),
    ("stopped", "stop", "stopped", None, False, False),
    ("pending", "start", "pending", "running", False, False),
    ("pending", "restart", "pending", "running", True, True),
    ("pending", "stop", "stopping", "stopped", False, True),
    ("running", "start", "running", "running", False, False),
    ("running", "restart", "pending", "running", True, True),
    ("running", "stop", "stopping", "stopped", False, True),
    ("stopping", "start", "pending", "running", True, True),
    ("stopping", "restart", "pending", "running", True, True),
    ("stopping", "stop", "stopping", "stopped", False, False),
    ("error", "start", "pending", "running", True, True),
    ("error", "restart", "pending", "running", True, True),
    ("error", "stop", "stopping", "stopped", False, True),
    ("stopped again", "start", "pending", "running", True, True),
    ("stopped again", "restart", "pending", "running", True, True),
    ("stopped again", "stop", "stopped", "stopped", False, False),
]


@pytest.mark.parametrize(("state", "verb", "status", "wanted", "revised", "wished"), TABLE)
async def test_each_verb_in_each_state(world, admin, state, verb, status, wanted, revised, wished):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, state)
    before = await world.wish("workload", resource_id)

    answer = await ask(admin, resource_id, verb)

    after = await world.wish("workload", resource_id)
    assert answer["status"] == status
    assert (after.wanted if after else None) == wanted
    numbers = (before.generation, before.revision) if before else (0, 0)
    expected = (numbers[0] + int(wished), numbers[1] + int(revised))
    assert (expected if after else (0, 0)) == (
        (after.generation, after.revision) if after else (0, 0)
    )


async def test_of_many_starts_at_once_one_counts(world, admin):
    resource_id = await create(admin)

    answers = await asyncio.gather(*(admin.post(f"{PATH}/{resource_id}/start") for _ in range(5)))

    assert {answer.status_code for answer in answers} == {200}
    wish = await world.wish("workload", resource_id)
    assert (wish.generation, wish.revision) == (1, 1)


async def test_a_start_in_the_moment_the_build_ends_is_not_left_waiting(world, admin):
    await world.image("building")
    ids = [await create(admin, name=f"w{number}") for number in range(5)]

    await asyncio.gather(*(ask(admin, each, "start") for each in ids), world.image("built"))

    for each in ids:
        assert (await world.wish("workload", each)).wanted == "running"


async def test_a_wish_is_the_snapshot_of_the_row_with_the_platforms_secrets(world, admin):
    resource_id = await create(
        admin,
        instance_size="medium",
        environment_variables={"A": "1"},
        extra_packages={"pip": "rich", "as_requirements_txt": True},
        config_files={".x": {"content": "y", "mode": "0600"}},
        start_script="true",
    )

    await ask(admin, resource_id, "start", debug_mode=True)

    wish = await world.wish("workload", resource_id)
    assert wish.spec.image == "/data/images/abc"
    assert (wish.spec.cores, wish.spec.memory_bytes) == (2, 4 * 1024**3)
    assert wish.spec.environment == {"A": "1"}
    assert wish.spec.extra_packages.as_requirements_txt is True
    assert wish.spec.config_files[".x"].mode == "0600"
    assert wish.spec.debug_mode is True
    assert wish.spec.identity.owner == "main/admin"
    assert wish.spec.identity.base_url == "http://cassini.test"
    secrets = await world.credentials(resource_id)
    assert set(secrets) == {"SATURN_TOKEN"}
    for secret in wish.spec.secrets:
        assert secret.minimum_generation == secrets[secret.variable].generation
    assert (await shown(admin, resource_id))["debug_mode"] is True


async def test_each_revision_has_a_token_of_its_own_sealed_in_its_wish(world, admin):
    resource_id = await create(admin)
    await ask(admin, resource_id, "start")
    first = await world.jupyter_token(resource_id)
    await world.running(resource_id)

    await ask(admin, resource_id, "restart")

    second = await world.jupyter_token(resource_id)
    assert first != second
    wish = await world.wish("workload", resource_id)
    assert second not in wish.model_dump_json()
    await ask(admin, resource_id, "stop")
    assert (await world.wish("workload", resource_id)).sealed is None


async def test_an_edit_of_what_runs_changes_only_the_row_and_asks_for_a_restart(world, admin):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, "running")
    before = await world.wish("workload", resource_id)

    answer = await admin.patch(f"{PATH}/{resource_id}", json={"environment_variables": {"A": "2"}})

    assert answer.json()["require_restart"] is True
    assert answer.json()["status"] == "running"
    assert before == await world.wish("workload", resource_id)
    undone = await admin.patch(f"{PATH}/{resource_id}", json={"environment_variables": {}})
    assert undone.json()["require_restart"] is False
    described = await admin.patch(f"{PATH}/{resource_id}", json={"description": "other"})
    assert described.json()["require_restart"] is False


async def test_a_restart_takes_the_edit_in(world, admin):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, "running")
    await admin.patch(f"{PATH}/{resource_id}", json={"environment_variables": {"A": "2"}})

    answer = await ask(admin, resource_id, "restart")

    assert answer["require_restart"] is False
    assert (await world.wish("workload", resource_id)).spec.environment == {"A": "2"}


async def test_a_stopped_workspace_never_needs_a_restart(world, admin):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, "stopped again")

    answer = await admin.patch(f"{PATH}/{resource_id}", json={"instance_size": "medium"})

    assert answer.json()["require_restart"] is False


async def test_a_start_waits_for_the_image_and_goes_on_when_it_is_built(world, admin):
    await world.image("building")
    resource_id = await create(admin)

    held = await ask(admin, resource_id, "start")
    assert (held["status"], held["reason"]) == ("pending", "ImageBuilding")
    assert await world.wish("workload", resource_id) is None
    await admin.patch(f"{PATH}/{resource_id}", json={"environment_variables": {"A": "late"}})
    await world.image("built")

    wish = await world.wish("workload", resource_id)
    assert (wish.wanted, wish.generation, wish.revision) == ("running", 1, 1)
    assert wish.spec.environment == {"A": "late"}
    assert (await shown(admin, resource_id))["require_restart"] is False


async def test_a_stop_clears_a_start_that_waits(world, admin):
    await world.image("building")
    resource_id = await create(admin)
    await ask(admin, resource_id, "start")

    stopped = await ask(admin, resource_id, "stop")
    await world.image("built")

    assert stopped["status"] == "stopped"
    assert await world.wish("workload", resource_id) is None


async def test_a_failed_build_ends_the_start_that_waits_and_a_start_asks_for_it_again(world, admin):
    await world.image("building")
    resource_id = await create(admin)
    await ask(admin, resource_id, "start")

    await world.image("error", reason="PackageNotFound", message="no such package: nope")

    failed = await shown(admin, resource_id)
    assert (failed["status"], failed["reason"]) == ("error", "PackageNotFound")
    assert "no such package: nope" in failed["message"]
    before = (await world.wish("image", world.tag.id)).generation
    again = await ask(admin, resource_id, "start")
    assert again["status"] == "pending"
    assert (await world.wish("image", world.tag.id)).generation == before + 1
    await world.image("built")
    assert (await world.wish("workload", resource_id)).wanted == "running"


async def test_a_restart_that_waits_leaves_what_runs_and_a_stop_still_stops_it(world, admin):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, "running")
    await world.image("building")
    before = await world.wish("workload", resource_id)

    held = await ask(admin, resource_id, "restart")
    assert held["status"] == "pending"
    assert before == await world.wish("workload", resource_id)
    await ask(admin, resource_id, "stop")

    assert (await world.wish("workload", resource_id)).wanted == "stopped"


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "error"])
async def test_only_a_stopped_workspace_is_deleted_unless_it_is_forced(world, admin, state):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, state)
    path = f"{PATH}/{resource_id}"

    refused = await admin.delete(path)
    assert refused.status_code == 409
    assert (await admin.get(path)).status_code == 200
    forced = await admin.delete(path, params={"allow_active": "True"})

    assert forced.status_code == 204
    assert forced.content == b""
    assert (await admin.get(path)).status_code == 404
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.get(PATH)).json()["workspaces"] == []
    assert (await world.wish("workload", resource_id)).wanted == "absent"


async def test_a_delete_ends_the_tokens_at_once_and_the_secrets_when_absence_is_seen(world, admin):
    resource_id = await create(admin)
    await bring_to(world, admin, resource_id, "stopped again")
    secrets = {name: wish.id for name, wish in (await world.credentials(resource_id)).items()}
    inside = world.client(world.value((await world.credentials(resource_id))["SATURN_TOKEN"]))

    await admin.delete(f"{PATH}/{resource_id}")

    assert (await inside.get(f"{PATH}/{resource_id}")).status_code == 401
    for credential_id in secrets.values():
        assert (await world.wish("credential", credential_id)).wanted == "present"
    await world.workload(resource_id, "absent")
    for credential_id in secrets.values():
        assert (await world.wish("credential", credential_id)).wanted == "absent"
    async with world.ground.database.read() as session:
        assert await session.get(Workspace, resource_id) is None


async def test_a_workspace_that_was_never_started_is_deleted_the_same_way(world, admin):
    resource_id = await create(admin)

    assert (await admin.delete(f"{PATH}/{resource_id}")).status_code == 204

    assert (await world.wish("workload", resource_id)).wanted == "absent"


async def test_self_destruct_deletes_what_has_stopped(world, admin):
    resource_id = await create(admin, self_destruct=True)
    await bring_to(world, admin, resource_id, "stopping")
    assert (await admin.get(f"{PATH}/{resource_id}")).status_code == 200

    await world.workload(resource_id, "stopped")

    assert (await admin.get(f"{PATH}/{resource_id}")).status_code == 404
    assert (await world.wish("workload", resource_id)).wanted == "absent"


async def test_a_size_that_the_machine_no_longer_has_refuses_the_start(world, admin):
    resource_id = await create(admin, instance_size="medium")
    await world.backend(cores=1)

    answer = await admin.post(f"{PATH}/{resource_id}/start")

    assert answer.status_code == 400
    assert "micro" in answer.json()["message"]
    assert (await shown(admin, resource_id))["status"] == "stopped"


@pytest.mark.parametrize("body", ['{"debug_mode": "perhaps"}', "[]", "{"])
async def test_a_bad_start_body_is_refused(world, admin, body):
    resource_id = await create(admin)

    answer = await admin.post(f"{PATH}/{resource_id}/start", content=body)

    assert answer.status_code == 400
    assert await world.wish("workload", resource_id) is None
