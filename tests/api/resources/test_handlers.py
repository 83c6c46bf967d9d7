from sqlalchemy import select

from cassini.contracts.credentials import CredentialObservedV1
from cassini.contracts.images import ImageObservedV1
from cassini.contracts.resources import new_id
from cassini.contracts.workloads import WorkloadObservedV1
from services.api.tables import TABLES

PATH = "/api/workspaces"


async def started(world, client, **fields):
    resource_id = (await client.post(PATH, json={"name": "first"} | fields)).json()["id"]
    await client.post(f"{PATH}/{resource_id}/start")
    return resource_id


async def shown(client, resource_id):
    return (await client.get(f"{PATH}/{resource_id}")).json()


def strange(world, **seen):
    world.sequence += 1
    fact = {
        "id": new_id(),
        "declarer": "api",
        "generation": 7,
        "sequence": world.sequence,
        "revision": 3,
        "status": "running",
    }
    return WorkloadObservedV1(**(fact | seen))


async def test_a_running_fact_shows_the_address_and_when_it_started(world, admin):
    resource_id = await started(world, admin)

    await world.running(resource_id)

    seen = await shown(admin, resource_id)
    assert seen["status"] == "running"
    assert seen["url"] == "http://127.0.0.1:40001/"
    assert seen["started_at"].endswith("+00:00")


async def test_a_fact_of_an_older_wish_does_not_change_the_state(world, admin):
    resource_id = await started(world, admin)
    await world.running(resource_id)
    await admin.post(f"{PATH}/{resource_id}/stop")
    wish = await world.wish("workload", resource_id)

    await world.workload(resource_id, "running", generation=wish.generation - 1)

    assert (await shown(admin, resource_id))["status"] == "stopping"


async def test_a_fact_that_comes_late_changes_nothing(world, admin):
    resource_id = await started(world, admin)
    await world.running(resource_id)

    await world.workload(resource_id, "pending", sequence=1)

    assert (await shown(admin, resource_id))["status"] == "running"


async def test_an_error_shows_its_reason_and_message(world, admin):
    resource_id = await started(world, admin)

    await world.workload(
        resource_id, "error", reason="StartScriptFailed", message="The start script failed."
    )

    seen = await shown(admin, resource_id)
    assert (seen["status"], seen["reason"]) == ("error", "StartScriptFailed")
    assert seen["message"] == "The start script failed."
    assert seen["url"] == f"http://cassini.test/workspaces/{resource_id}/open"


async def test_a_shut_down_from_inside_lowers_the_wish_to_stopped(world, admin):
    resource_id = await started(world, admin)
    await world.running(resource_id)

    await world.workload(resource_id, "completed")

    assert (await world.wish("workload", resource_id)).wanted == "stopped"
    assert (await shown(admin, resource_id))["status"] == "stopping"
    await world.workload(resource_id, "stopped")
    assert (await shown(admin, resource_id))["status"] == "stopped"


async def test_a_workload_that_nobody_wished_for_is_stopped_and_never_removed(world):
    fact = strange(world)

    await world.handle(fact)

    wish = await world.wish("workload", fact.id)
    assert (wish.wanted, wish.generation, wish.revision, wish.spec) == ("stopped", 8, 3, None)
    async with world.ground.database.read() as session:
        table = TABLES.declaration
        strays = (await session.execute(select(table.c.id).where(table.c.stray))).scalars().all()
    assert strays == [fact.id]


async def test_a_tombstone_that_is_not_known_here_is_left_alone(world):
    fact = strange(world, status="absent")

    await world.handle(fact)

    assert await world.wish("workload", fact.id) is None


async def test_a_restored_api_stops_what_it_does_not_know_it_started(world, admin):
    made = (await admin.post(PATH, json={"name": "restored"})).json()
    await world.handle(strange(world, id=made["id"]))

    assert (await shown(admin, made["id"]))["status"] == "stopping"
    await world.workload(made["id"], "stopped")
    assert (await shown(admin, made["id"]))["status"] == "stopped"
    again = (await admin.post(f"{PATH}/{made['id']}/start")).json()
    assert again["status"] == "pending"
    wish = await world.wish("workload", made["id"])
    assert (wish.wanted, wish.generation, wish.revision) == ("running", 9, 4)


async def test_a_restored_api_jumps_and_gives_the_new_revision_its_token(world, admin):
    resource_id = await started(world, admin)
    before = await world.jupyter_token(resource_id)
    await world.handle(strange(world, id=resource_id, generation=40, revision=20))

    wish = await world.wish("workload", resource_id)
    assert (wish.generation, wish.revision) == (41, 21)
    token = await world.jupyter_token(resource_id)
    assert token != before
    assert (await shown(admin, resource_id))["status"] == "pending"
    await world.running(resource_id)
    link = (await admin.get(f"{PATH}/{resource_id}/open")).json()["url"]
    assert link.endswith(f"token={token}")


async def test_a_lost_token_is_made_anew_and_the_old_one_goes_on_to_work(world, admin):
    resource_id = await started(world, admin)
    old = (await world.credentials(resource_id))["SATURN_TOKEN"]

    await world.credential(old, "lost")

    new = (await world.credentials(resource_id))["SATURN_TOKEN"]
    assert new.generation == old.generation + 1
    assert new.value_id != old.value_id
    for wish in (old, new):
        answer = await world.client(world.value(wish)).get(f"{PATH}/{resource_id}")
        assert answer.status_code == 200


async def test_a_loss_that_was_answered_already_is_not_answered_twice(world, admin):
    resource_id = await started(world, admin)
    old = (await world.credentials(resource_id))["SATURN_TOKEN"]
    await world.credential(old, "lost")
    new = (await world.credentials(resource_id))["SATURN_TOKEN"]

    await world.credential(old, "lost", generation=old.generation, wish_digest=old.digest())

    assert (await world.credentials(resource_id))["SATURN_TOKEN"] == new


async def test_a_jump_of_what_is_stopped_declares_no_token(world, admin):
    resource_id = await started(world, admin)
    await admin.post(f"{PATH}/{resource_id}/stop")
    await world.workload(resource_id, "stopped")
    await world.handle(strange(world, id=resource_id, generation=40, revision=20))

    wish = await world.wish("workload", resource_id)
    assert (wish.wanted, wish.generation, wish.sealed) == ("stopped", 41, None)
    assert (await shown(admin, resource_id))["status"] == "stopped"


async def test_jupyters_token_stays_in_the_wish_that_was_accepted(world, admin):
    resource_id = await started(world, admin)
    said = await world.wish("workload", resource_id)

    await world.running(resource_id)

    assert await world.wish("workload", resource_id) == said
    assert said.sealed is not None


async def test_a_stored_value_leaves_the_row_of_its_wish(world, admin):
    resource_id = await started(world, admin)
    wish = (await world.credentials(resource_id))["SATURN_TOKEN"]

    await world.credential(wish, "stored")

    assert (await world.credentials(resource_id))["SATURN_TOKEN"].sealed is None


async def test_facts_about_unknown_images_and_credentials_are_only_noted(world):
    await world.image("building")
    numbers = await world.numbers("image", world.tag.id)
    before = await world.wish("image", world.tag.id)
    unknown = new_id()

    await world.handle(ImageObservedV1(**(numbers | {"id": unknown, "status": "built"})))
    await world.handle(CredentialObservedV1(**(numbers | {"id": unknown, "status": "lost"})))

    assert before == await world.wish("image", world.tag.id)
    assert await world.wish("image", unknown) is None
    assert await world.wish("credential", unknown) is None


async def test_facts_for_another_declarer_are_dropped(world):
    fact = strange(world, declarer="scheduler")

    await world.handle(fact)

    assert await world.wish("workload", fact.id) is None


async def test_an_older_fact_about_the_backend_is_dropped(world, admin):
    await world.backend(cores=8, memory=64 * 1024**3)
    await world.backend(cores=1, memory=1024**3, sequence=1)

    sizes = (await admin.get("/api/info/servers")).json()["sizes"]
    assert "2xlarge" in sizes
