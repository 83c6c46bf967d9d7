"""Recipes over HTTP: create, apply, in today's form and in older ones."""

import asyncio

from hypothesis import HealthCheck, given, settings

from tests.api.resources import wanted
from tests.api.resources.recipes import (
    FULL,
    IMAGE,
    PATH,
    WORKSPACES,
    apply,
    recipe,
    show,
    workspace,
)

some_examples = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def test_everything_that_a_recipe_says_comes_true_and_comes_back(admin):
    routes = [{"container_port": 8888, "subdomain": "mine", "visibility": "owner"}]

    made = await apply(admin, recipe(**FULL, routes=routes))

    assert made["state"]["action"] == "created"
    assert made["spec"] == (await show(admin))["spec"]
    assert {name: made["spec"][name] for name in FULL} == FULL
    assert made["spec"]["owner"] == "main/admin"
    assert made["spec"]["image"] == IMAGE
    row = await workspace(admin)
    assert row["id"] == made["state"]["id"]
    assert row["instance_size"] == "medium"
    assert row["extra_packages"]["pip"] == "rich\npolars\n"
    assert row["extra_packages"]["as_requirements_txt"]
    assert (row["working_dir"], row["is_spot"]) == ("/home/jovyan/elsewhere", True)
    assert (row["subdomain"], row["self_destruct"]) == ("mine", True)


async def test_the_same_recipe_again_changes_nothing_and_needs_no_restart(admin):
    body = recipe(**FULL)
    made = await apply(admin, body)
    await admin.post(f"{WORKSPACES}/{made['state']['id']}/start")
    before = await workspace(admin)

    for again in (body, await show(admin), made):
        assert (await apply(admin, again))["state"]["action"] == "unchanged"

    assert await workspace(admin) == before
    assert not before["require_restart"]


async def test_a_change_to_what_runs_takes_effect_at_the_next_start(world, admin):
    made = await apply(admin, recipe(status="running"))
    await world.running(made["state"]["id"])

    changed = await apply(admin, recipe(environment_variables={"A": "2"}, status="running"))

    assert changed["state"] | {"url": ""} == made["state"] | {
        "action": "updated",
        "status": "running",
        "url": "",
        "routes": changed["state"]["routes"],
    }
    assert (await workspace(admin))["require_restart"]
    wish = await world.wish("workload", made["state"]["id"])
    assert (wish.revision, wish.spec.environment) == (1, {})


async def test_a_recipe_starts_and_stops_in_the_transaction_that_changes(world, admin):
    started = await apply(admin, recipe(start_script="a", status="running"))
    assert started["state"]["status"] == "pending"
    assert "status" not in started["spec"]
    wish = await world.wish("workload", started["state"]["id"])
    assert (wish.wanted, wish.spec.start_script) == ("running", "a")

    unchanged = await apply(admin, recipe(start_script="a"))
    assert unchanged["state"]["status"] == "pending"
    stopped = await apply(admin, recipe(start_script="b", status="stopped"))

    assert (stopped["state"]["action"], stopped["state"]["status"]) == ("updated", "stopping")
    assert (await world.wish("workload", started["state"]["id"])).wanted == "stopped"


async def test_a_held_start_takes_an_applied_change_in(world, admin):
    await world.image("building")
    made = await apply(admin, recipe(image=IMAGE, status="running"))
    await apply(admin, recipe(image=IMAGE, environment_variables={"A": "1"}))

    await world.image("built")

    wish = await world.wish("workload", made["state"]["id"])
    assert wish.spec.environment == {"A": "1"}
    assert not (await workspace(admin))["require_restart"]


async def test_what_a_recipe_leaves_out_gets_its_default_but_owner_and_subdomain_stay(admin):
    routes = [{"container_port": 8888, "subdomain": "mine"}]
    await apply(admin, recipe(**FULL, routes=routes))

    changed = await apply(admin, recipe())

    fresh = await apply(admin, recipe("second"))
    assert changed["state"]["action"] == "updated"
    assert changed["spec"] | {"name": "second"} == fresh["spec"]
    assert (await workspace(admin))["subdomain"] == "mine"
    assert changed["state"]["routes"][0]["subdomain"] == "mine"


@some_examples
@given(wanted.bodies)
async def test_any_workspace_is_unchanged_by_its_own_recipe(admin, body):
    made = (await admin.post(WORKSPACES, json=body)).json()
    path = f"{WORKSPACES}/{made['id']}"
    try:
        shown = (await admin.get(f"{path}/recipe")).json()

        assert (await apply(admin, shown))["state"]["action"] == "unchanged"
        assert (await admin.get(path)).json() == made
    finally:
        await admin.delete(path)


@some_examples
@given(wanted.specs, wanted.specs)
async def test_applied_over_another_it_is_as_if_made_anew(admin, spec, other):
    over = await apply(admin, {"type": "workspace", "spec": other | {"name": "over"}})
    fresh = await apply(admin, {"type": "workspace", "spec": spec | {"name": "fresh"}})
    try:
        changed = await apply(admin, {"type": "workspace", "spec": spec | {"name": "over"}})
        again = await apply(admin, await show(admin, "over"))

        assert changed["state"]["id"] == over["state"]["id"]
        assert again["state"]["action"] == "unchanged"
        assert again["spec"] == changed["spec"]
        kept = {"name": "over"}
        if "token_scope" not in spec:
            kept["token_scope"] = over["spec"]["token_scope"]
        assert changed["spec"] == fresh["spec"] | kept
    finally:
        for each in (over, fresh):
            await admin.delete(f"{WORKSPACES}/{each['state']['id']}")


async def test_of_many_applied_at_once_one_creates_and_all_are_right(admin):
    answers = await asyncio.gather(*(apply(admin, recipe(**FULL)) for _ in range(5)))

    assert len({answer["state"]["id"] for answer in answers}) == 1
    assert sorted(answer["state"]["action"] for answer in answers) == [
        "created",
        *["unchanged"] * 4,
    ]
    assert len((await admin.get(WORKSPACES)).json()["workspaces"]) == 1


async def test_different_recipes_applied_at_once_leave_one_of_them_whole(admin):
    bodies = [recipe(description=str(n), start_script=str(n)) for n in range(4)]

    answers = await asyncio.gather(*(apply(admin, body) for body in bodies))

    assert [answer["spec"]["description"] for answer in answers] == ["0", "1", "2", "3"]
    spec = (await show(admin))["spec"]
    assert spec["description"] == spec["start_script"]


async def test_a_recipe_as_another_platform_shows_it_applies(admin):
    """Every part is there, empty where nothing is in it, and the state is that of over there."""
    body = recipe(
        owner="main/admin",
        image=IMAGE,
        description="",
        tags=None,
        environment_variables={},
        working_directory="/home/jovyan/workspace",
        extra_packages={},
        config_files=None,
        start_script="",
        git_repositories=[],
        secrets=[],
        shared_folders=[],
        start_dind=False,
        ide="jupyter",
        disk_space="10Gi",
        auto_shutoff="1 hour",
        start_ssh=False,
        use_spot_instance=False,
        routes=[{"container_port": 8888, "subdomain": "over-there", "visibility": "owner"}],
        viewers=[],
        self_destruct=False,
    )
    body |= {"schema_version": "2024.04.01", "state": {"id": 5, "surprise": [1]}}

    assert (await apply(admin, body, enforce_unknown="true"))["state"]["action"] == "created"
    assert (await apply(admin, body))["state"]["action"] == "unchanged"


async def test_older_dialects_apply(admin):
    flat = {
        "schema_version": "2022.08.01",
        "name": "first",
        "image": {"owner": "main/admin", "name": "cassini-python", "version": "0.1.0"},
        "visibility": "owner",
        "jupyter_server": {"instance_type": "small", "subdomain": "mine"},
        "extra_packages": {"pip": "rich"},
    }

    made = await apply(admin, flat, enforce_unknown="True")

    assert made["spec"]["extra_packages"] == {"pip": {"install": "rich"}}
    assert (made["spec"]["instance_type"], made["spec"]["image"]) == ("small", IMAGE)
    oldest = {
        "version": "2022.01.06",
        "name": "first",
        "image_uri": "cassini-python:0.1.0",
        "jupyter_server": {"instance_type": "small"},
        "extra_packages": {"pip": "rich"},
    }
    assert (await apply(admin, oldest))["state"]["action"] == "unchanged"


async def test_a_clone_with_null_for_what_its_client_does_not_say(admin):
    """As ``sc clone`` makes it: the template, a new name, and null for two settings."""
    await apply(admin, recipe(**FULL))
    template = await show(admin, as_template="True")
    assert "state" not in template
    assert "owner" not in template["spec"]
    template["spec"] |= {"name": "second", "ide": None, "disk_space": None}

    answer = await admin.post(PATH, json=template, params={"enforce_unknown": "false"})

    assert answer.status_code == 201, answer.text
    expected = (await show(admin))["spec"] | {"name": "second", "disk_space": "10Gi"}
    assert answer.json()["spec"] == expected
