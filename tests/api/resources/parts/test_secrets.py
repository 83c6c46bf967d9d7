"""``…/secrets``: what a workspace is given, what a start waits for, and what needs a restart."""

import asyncio

import pytest

from services.api.resources.secrets import MOST
from tests.api.resources.secrets import (
    FILE,
    SECRETS,
    WORKSPACES,
    change,
    give,
    given,
    look,
    make,
    named,
    start,
    stored,
    told,
    workspace,
)


async def test_a_start_names_variables_and_files_with_their_generations(world, ada):
    key, file = await stored(world, ada), await stored(world, ada, "file")
    await change(ada, key, value="v2")
    await told(world, key)
    resource_id = await workspace(ada)
    await give(ada, resource_id, secret_id=key["id"])
    path = "~/.aws/credentials"
    shown = await give(ada, resource_id, path, secret_id=file["id"], attachment_type=FILE)
    assert shown["location"] == "/home/jovyan/.aws/credentials"
    assert shown["secret"]["name"] == "file"
    await start(ada, resource_id)
    assert await named(world, resource_id) == {
        "KEY": (key["id"], 2),
        "/home/jovyan/.aws/credentials": (file["id"], 1),
    }


async def test_a_new_secret_may_come_with_its_place(world, ada):
    resource_id = await workspace(ada)
    shown = await give(ada, resource_id, secret={"name": "new", "value": "v"})
    assert shown["secret"]["owner"]["name"] == "main/ada"
    assert world.value(await world.wish("credential", shown["secret"]["id"])) == "v"
    both = {"secret": {"name": "x", "value": "v"}, "secret_id": shown["secret"]["id"]}
    assert (await give(ada, resource_id, "B", status=400, **both))["code"] == "two_secrets"


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("1A", "environment_variable"),
        ("A B", "environment_variable"),
        ("SATURN_TOKEN", "environment_variable"),
        ("CASSINI_FILE_0", "environment_variable"),
        ("PATH", "environment_variable"),
        ("HOME", "environment_variable"),
        ("/etc/passwd", FILE),
        ("../a", FILE),
        ("/home/jovyan", FILE),
        ("a\nb", FILE),
        ("~/", FILE),
    ],
)
async def test_a_place_that_cannot_be_is_refused(ada, location, kind):
    resource_id = await workspace(ada)
    answer = await give(ada, resource_id, location, status=400, attachment_type=kind)
    assert answer["code"] == "bad_location"
    assert answer["message"].startswith("location: ")


async def test_a_place_is_there_once(world, ada):
    resource_id = await workspace(ada)
    await give(ada, resource_id)
    await give(ada, resource_id, "KEY", attachment_type=FILE)
    second = await give(ada, resource_id, "/home/jovyan/KEY", status=409, attachment_type=FILE)
    assert second["code"] == "location_taken"
    other = await give(ada, resource_id, "OTHER")
    url = f"{WORKSPACES}/{resource_id}/secrets/{other['id']}"
    assert (await ada.patch(url, json={"location": "KEY"})).status_code == 409


async def test_there_are_so_many_places_and_no_more(ada):
    resource_id = await workspace(ada)
    for number in range(MOST):
        await give(ada, resource_id, f"K{number}")
    assert (await give(ada, resource_id, status=409))["code"] == "too_many_secrets"


async def test_another_owners_secret_is_not_there(world, ada, admin):
    private, shared = await make(admin), await make(admin, "shared", access="org")
    hers = await make(ada, "hers")
    resource_id, admins = await workspace(ada), await workspace(admin)
    for secret_id in (private["id"], "0" * 32):
        refused = await give(ada, resource_id, secret_id=secret_id, status=404)
        assert refused["code"] == "secret_not_found"
    await give(ada, resource_id, secret_id=shared["id"])
    # An admin sees it, but it is for resources of its owner.
    await give(admin, admins, secret_id=hers["id"], status=404)
    await give(admin, resource_id, "B", secret_id=private["id"], status=404)


async def test_the_token_of_a_workspace_comes_to_no_other_secret(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    attached = await give(ada, resource_id, secret_id=secret["id"])
    other = await stored(world, ada, "other")
    await start(ada, resource_id)
    token = (await world.credentials(resource_id))["SATURN_TOKEN"]
    own = world.client(world.value(token))
    assert (await own.get(SECRETS)).json()["secrets"] == []
    await give(own, resource_id, "B", secret_id=other["id"], status=404)
    await give(own, resource_id, "B", secret={"name": "n", "value": "v"}, status=403)
    url = f"{WORKSPACES}/{resource_id}/secrets/{attached['id']}"
    assert (await own.patch(url, json={"location": "C"})).status_code == 200
    assert (await own.patch(url, json={"secret_id": other["id"]})).status_code == 404


async def test_lists_can_be_asked_for_a_part_and_places_be_looked_at(ada, admin):
    resource_id = await workspace(ada)
    made = [await give(ada, resource_id, name) for name in ("AWS_KEY", "B")]
    made.append(await give(ada, resource_id, "aws", attachment_type=FILE))
    assert await given(ada, resource_id) == made
    assert await given(ada, resource_id, location="AWS_") == made[:1]
    assert await given(ada, resource_id, attachment_type=FILE) == made[2:]
    url = f"{WORKSPACES}/{resource_id}/secrets/{made[0]['id']}"
    assert (await ada.get(url)).json() == made[0]
    elsewhere = await workspace(ada, "second")
    foreign = url.replace(resource_id, elsewhere)
    for method in ("GET", "PATCH", "DELETE"):
        assert (await ada.request(method, foreign, json={})).status_code == 404
    assert (await ada.delete(url)).status_code == 204
    assert await given(ada, resource_id) == made[1:]


async def test_an_empty_place_refuses_the_start_and_says_what_it_is_for(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    place = await give(ada, resource_id, "KEY", description="the key of the bucket")
    refused = await start(ada, resource_id, status=409)
    assert refused["code"] == "secret_missing"
    assert "the environment variable KEY (the key of the bucket)" in refused["message"]
    assert await world.wish("workload", resource_id) is None
    url = f"{WORKSPACES}/{resource_id}/secrets/{place['id']}"
    filled = await ada.patch(url, json={"secret_id": secret["id"]})
    assert filled.json()["secret"]["id"] == secret["id"]
    assert (await start(ada, resource_id))["reason"] == "Starting"
    emptied = await ada.patch(url, json={"secret_id": None})
    assert emptied.json()["secret"] is None
    inline = await ada.patch(url, json={"secret": {"name": "inline", "value": "v"}})
    assert inline.json()["secret"]["name"] == "inline"


async def test_a_start_waits_until_the_value_that_was_set_before_it_is_stored(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    await change(ada, secret, value="v2")
    pending = await start(ada, resource_id)
    assert (pending["status"], pending["reason"]) == ("pending", "SecretNotStored")
    assert "secret key is not stored yet" in pending["message"]
    assert await world.wish("workload", resource_id) is None
    await told(world, secret)
    assert await named(world, resource_id) == {"KEY": (secret["id"], 2)}
    shown = await look(ada, resource_id)
    assert (shown["reason"], shown["require_restart"]) == ("Starting", False)


async def test_a_stop_ends_the_wait(world, ada):
    secret, resource_id = await make(ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    await start(ada, resource_id)
    assert (await start(ada, resource_id, "stop"))["status"] == "stopped"
    await told(world, secret)
    assert await world.wish("workload", resource_id) is None


async def test_a_lost_value_is_the_reason_that_a_start_waits(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    await told(world, secret, "lost")
    pending = await start(ada, resource_id)
    assert (pending["status"], pending["reason"]) == ("pending", "SecretLost")
    assert pending["message"] == "The value of secret key was lost: enter it again."
    await change(ada, secret, value="again")
    assert (await look(ada, resource_id))["reason"] == "SecretNotStored"
    await told(world, secret)
    assert (await look(ada, resource_id))["reason"] == "Starting"


async def test_a_start_waits_for_image_and_secret_whichever_is_late(world, ada):
    secret, resource_id = await make(ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    await world.image("building")
    assert (await start(ada, resource_id))["reason"] == "ImageBuilding"
    await told(world, secret)
    assert (await look(ada, resource_id))["reason"] == "ImageBuilding"
    await change(ada, secret, value="v2")
    await world.image()
    assert (await look(ada, resource_id))["reason"] == "SecretNotStored"
    await told(world, secret)
    assert await named(world, resource_id) == {"KEY": (secret["id"], 2)}


async def test_a_waiting_start_whose_secret_goes_fails_and_goes_on_with_another(world, ada):
    secret, resource_id = await make(ada), await workspace(ada)
    place = await give(ada, resource_id, secret_id=secret["id"])
    await start(ada, resource_id)
    await ada.delete(f"{SECRETS}/{secret['id']}")
    shown = await look(ada, resource_id)
    assert (shown["status"], shown["reason"]) == ("error", "SecretMissing")
    other = await stored(world, ada, "other")
    url = f"{WORKSPACES}/{resource_id}/secrets/{place['id']}"
    await ada.patch(url, json={"secret_id": other["id"]})
    assert await named(world, resource_id) == {"KEY": (other["id"], 1)}


async def test_what_runs_must_be_restarted_for_other_secrets_and_not_for_the_same(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    place = await give(ada, resource_id, secret_id=secret["id"])
    await start(ada, resource_id)
    await world.running(resource_id)
    url = f"{WORKSPACES}/{resource_id}/secrets/{place['id']}"

    async def stale():
        return (await look(ada, resource_id))["require_restart"]

    assert not await stale()
    await ada.patch(url, json={"description": "other words"})
    await change(ada, secret, name="other", access="org")
    await told(world, secret, sequence=99)
    assert not await stale()
    await ada.patch(url, json={"location": "OTHER"})
    assert await stale()
    await ada.patch(url, json={"location": "KEY"})
    assert not await stale()
    await change(ada, secret, value="v2")
    assert await stale()
    await told(world, secret)
    await start(ada, resource_id, "restart")
    assert not await stale()
    assert await named(world, resource_id) == {"KEY": (secret["id"], 2)}
    await ada.delete(url)
    assert await stale()


async def test_a_deleted_workspace_has_nothing(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    assert (await ada.delete(f"{WORKSPACES}/{resource_id}")).status_code == 204
    assert (await ada.delete(f"{SECRETS}/{secret['id']}")).status_code == 204


async def test_a_jump_keeps_the_secrets_of_its_revision(world, ada):
    secret, resource_id = await stored(world, ada), await workspace(ada)
    await give(ada, resource_id, secret_id=secret["id"])
    await start(ada, resource_id)
    await world.running(resource_id, generation=9)
    assert (await world.wish("workload", resource_id)).generation == 10
    assert await named(world, resource_id) == {"KEY": (secret["id"], 1)}


async def test_a_start_and_the_news_that_it_waits_for_never_miss_each_other(world, ada):
    """Both lock secrets before workspaces, so neither waits for the other in a circle."""
    first, second = await stored(world, ada), await stored(world, ada, "second")
    resource_id = await workspace(ada)
    await give(ada, resource_id, secret_id=first["id"])
    await give(ada, resource_id, "B", secret_id=second["id"])
    place = (await give(ada, resource_id, "C", secret_id=first["id"]))["id"]
    url = f"{WORKSPACES}/{resource_id}/secrets/{place}"
    for number in range(4):
        await asyncio.gather(
            *(change(ada, each, value=f"v{number}") for each in (first, second)),
            ada.patch(url, json={"secret_id": (first, second)[number % 2]["id"]}),
        )
        await asyncio.gather(
            start(ada, resource_id, "restart"), told(world, second), told(world, first)
        )
        shown = await look(ada, resource_id)
        assert (shown["reason"], shown["require_restart"]) == ("Starting", False)
        asked = {generation for _, generation in (await named(world, resource_id)).values()}
        assert asked == {number + 2}
