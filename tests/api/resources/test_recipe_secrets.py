"""Secrets in recipes: by owner and name, or a place to be filled; never a value."""

import pytest

from tests.api.resources.recipes import PATH, apply, recipe, show, workspace
from tests.api.resources.secrets import FILE, VARIABLE, change, give, given, make, named, stored


def entry(location="KEY", kind=VARIABLE, **more):
    return {"location": location, "attachment_type": kind, **more}


async def secrets_of(client, name="first", **params):
    return (await show(client, name, **params))["spec"]["secrets"]


async def test_a_recipe_names_what_is_given_and_shows_no_value(world, ada):
    await stored(world, ada, value="planted-value")
    body = recipe(
        secrets=[
            entry(name="key", description="the key"),
            entry(".aws/credentials", FILE, owner="main/ada", name="key"),
            entry("LATER", description="your own"),
        ]
    )
    made = await apply(ada, body)
    ours = {"owner": "main/ada", "name": "key"}
    assert made["spec"]["secrets"] == [
        entry(description="the key", **ours),
        entry("/home/jovyan/.aws/credentials", FILE, description="", **ours),
        entry("LATER", description="your own"),
    ]
    assert await secrets_of(ada) == made["spec"]["secrets"]
    assert "planted-value" not in str(made)


async def test_applying_it_again_changes_nothing_and_asks_for_no_restart(world, ada):
    secret = await stored(world, ada)
    body = recipe(secrets=[entry(name="key")], status="running")
    made = await apply(ada, body)
    resource_id = made["state"]["id"]
    assert await named(world, resource_id) == {"KEY": (secret["id"], 1)}
    await world.running(resource_id)
    before = await given(ada, resource_id)
    again = await apply(ada, made)
    assert again["state"]["action"] == "unchanged"
    assert await given(ada, resource_id) == before
    assert not (await workspace(ada))["require_restart"]


async def test_it_is_all_that_is_wanted(world, ada):
    await stored(world, ada)
    await stored(world, ada, "other")
    made = await apply(ada, recipe(secrets=[entry(name="key"), entry("GONE", name="key")]))
    first = (await given(ada, made["state"]["id"]))[0]
    changed = await apply(ada, recipe(secrets=[entry(name="other")]))
    assert changed["state"]["action"] == "updated"
    (left,) = await given(ada, made["state"]["id"])
    assert (left["id"], left["secret"]["name"]) == (first["id"], "other")
    await apply(ada, recipe())
    assert await given(ada, made["state"]["id"]) == []


async def test_a_place_that_somebody_filled_stays_filled(world, ada):
    secret = await stored(world, ada)
    made = await apply(ada, recipe(secrets=[entry()]))
    (place,) = await given(ada, made["state"]["id"])
    url = f"/api/workspaces/{made['state']['id']}/secrets/{place['id']}"
    await ada.patch(url, json={"secret_id": secret["id"]})
    assert (await apply(ada, recipe(secrets=[entry()])))["state"]["action"] == "unchanged"
    assert (await secrets_of(ada))[0]["name"] == "key"


async def test_a_copy_of_the_same_owner_has_the_same_secrets(world, ada):
    await stored(world, ada)
    await apply(ada, recipe(secrets=[entry(name="key")]))
    template = await show(ada, as_template=True)
    template["spec"]["name"] = "copy"
    answer = await ada.post(PATH, json=template)
    assert answer.status_code == 201, answer.text
    assert (await secrets_of(ada, "copy"))[0]["name"] == "key"


async def test_a_copy_of_another_owner_has_places_to_be_filled(world, ada, admin):
    await stored(world, ada, "own")
    await stored(world, ada, "shared", access="org")
    body = recipe(secrets=[entry(name="own", description="yours"), entry("S", name="shared")])
    await apply(ada, body)
    template = await show(ada, as_template=True)
    other = await world.user("bob")
    made = (await other.post(PATH, json=template)).json()
    assert made["spec"]["secrets"] == [
        entry(description="yours"),
        entry("S", description="", owner="main/ada", name="shared"),
    ]
    refused = await other.post(f"/api/workspaces/{made['state']['id']}/start")
    assert refused.json()["code"] == "secret_missing"
    again = await other.put(PATH, json=template)
    assert again.json()["state"]["action"] == "unchanged"


@pytest.mark.parametrize(
    ("secrets", "code", "where"),
    [
        ([entry(name="nope")], "unknown_secret", "spec.secrets.0: "),
        ([entry(), entry()], "location_taken", "spec.secrets.1.location: "),
        ([entry("/etc/passwd", FILE)], "bad_location", "spec.secrets.0.location: "),
        ([entry(kind="volume")], "invalid_fields", "secrets.0.attachment_type"),
        ([entry(f"K{number}") for number in range(65)], "invalid_fields", "secrets"),
    ],
)
async def test_what_cannot_be_given_is_refused_with_its_place(ada, secrets, code, where):
    answer = await ada.put(PATH, json=recipe(secrets=secrets))
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert where in answer.json()["message"]
    assert (await ada.get(f"{PATH}/workspace/first")).status_code == 404


async def test_older_recipes_call_the_type_otherwise(world, ada):
    await stored(world, ada)
    await apply(ada, recipe(secrets=[{"location": "KEY", "type": VARIABLE, "name": "key"}]))
    assert await secrets_of(ada) == [entry(description="", owner="main/ada", name="key")]


async def test_the_token_of_a_workspace_keeps_what_is_given_and_adds_nothing(world, ada):
    await stored(world, ada)
    await make(ada, "other")
    made = await apply(ada, recipe(secrets=[entry(name="key")], status="running"))
    token = (await world.credentials(made["state"]["id"]))["SATURN_TOKEN"]
    own = world.client(world.value(token))
    assert (await apply(own, recipe(secrets=[entry(name="key")])))["state"]["action"] == "unchanged"
    answer = await own.put(PATH, json=recipe(secrets=[entry(name="other")]))
    assert answer.json()["code"] == "unknown_secret"


async def test_a_waiting_start_takes_settings_and_secrets_of_one_recipe(world, ada):
    await make(ada)
    made = await apply(ada, recipe(secrets=[entry(name="key")], status="running"))
    assert made["state"]["status"] == "pending"
    other = await stored(world, ada, "other")
    body = recipe(secrets=[entry("B", name="other")], environment_variables={"A": "1"})
    await apply(ada, body)
    resource_id = made["state"]["id"]
    assert await named(world, resource_id) == {"B": (other["id"], 1)}
    assert (await world.wish("workload", resource_id)).spec.environment == {"A": "1"}
    assert not (await workspace(ada))["require_restart"]


async def test_lists_of_recipes_have_the_secrets_of_each(world, ada):
    secret = await stored(world, ada)
    for name in ("first", "second"):
        made = await apply(ada, recipe(name))
        await give(ada, made["state"]["id"], name.upper(), secret_id=secret["id"])
    await change(ada, secret, name="renamed")
    listed = (await ada.get(PATH)).json()["recipes"]
    shown = [
        [(each["location"], each["name"]) for each in one["spec"]["secrets"]] for one in listed
    ]
    assert shown == [[("FIRST", "renamed")], [("SECOND", "renamed")]]
