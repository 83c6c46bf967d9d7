"""Recipes over HTTP: lists, one, and whose they are."""

import pytest

from tests.api.resources.recipes import FULL, PATH, WORKSPACES, apply, recipe, show, workspace

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_owners_are_named_in_all_forms(world, admin, ada):
    await apply(ada, recipe("theirs"))
    owner = (await workspace(ada, "theirs"))["owner"]

    for form in (
        {"owner": "main/ada"},
        {"owner_name": "ada"},
        {"owner_id": owner["id"]},
        {"user_id": owner["user_id"]},
        {"user_id": owner["user_id"], "org_id": owner["org_id"]},
    ):
        listed = (await admin.get(PATH, params=form)).json()["recipes"]
        assert [each["spec"]["name"] for each in listed] == ["theirs"]
        assert (await show(admin, "theirs", **form))["spec"]["owner"] == "main/ada"
    for form in ("main/ada", "ada", {"id": owner["id"]}, {"user_id": owner["user_id"]}):
        applied = await apply(admin, recipe("theirs", owner=form))
        assert (applied["state"]["action"], applied["spec"]["owner"]) == ("unchanged", "main/ada")
    assert (await apply(admin, recipe("theirs")))["spec"]["owner"] == "main/admin"


async def test_lists_filter_and_come_in_pages(admin):
    for number in range(3):
        await apply(admin, recipe(f"alpha-{number}"))
    await apply(admin, recipe("beta"))

    async def listed(**params):
        answer = await admin.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(**params):
        return [each["spec"]["name"] for each in (await listed(**params))["recipes"]]

    assert await names(name="pha", type="workspace") == ["alpha-0", "alpha-1", "alpha-2"]
    assert await names(name="%") == []
    assert await names(descending="true", page_size=1) == ["beta"]
    first = await listed(page_size=3)
    assert await names(page_size=3, next_key=first["next_key"]) == ["beta"]
    templates = (await listed(as_template="True"))["recipes"]
    assert all("state" not in each and "owner" not in each["spec"] for each in templates)


@on_sqlite
@pytest.mark.parametrize(
    "params",
    [
        {"next_key": "nonsense"},
        {"type": "boat"},
        {"type": "job", "next_key": "nonsense"},
        {"page_size": "0"},
        {"name": "x" * 65},
        {"as_template": "maybe"},
        {"owner": "NOT A PATH"},
    ],
)
async def test_bad_list_parameters_are_refused(admin, params):
    assert (await admin.get(PATH, params=params)).status_code == 400


@on_sqlite
async def test_a_recipe_is_asked_for_by_its_exact_name(admin):
    await apply(admin, recipe("first"))

    for path in ("workspace/firs", "workspace/FIRST", "workspace/%25", "boat/first"):
        assert (await admin.get(f"{PATH}/{path}")).status_code == 404


async def test_a_workspace_shows_its_recipe(admin):
    made = await apply(admin, recipe(**FULL))
    path = f"{WORKSPACES}/{made['state']['id']}/recipe"

    assert (await admin.get(path)).json() == await show(admin)
    template = (await admin.get(path, params={"as_template": "true"})).json()
    assert template == await show(admin, as_template="true")


@on_sqlite
async def test_what_is_not_mine_has_no_recipe(world, admin, ada):
    made = await apply(admin, recipe())
    path = f"{WORKSPACES}/{made['state']['id']}/recipe"

    assert (await ada.get(path)).status_code == 404
    assert (await ada.get(f"{PATH}/workspace/first")).status_code == 404
    assert (await ada.get(PATH, params={"owner": "admin"})).status_code == 404
    assert (await ada.put(PATH, json=recipe(owner="admin"))).status_code == 404
    assert (await world.client(None).put(PATH, json=recipe())).status_code == 401
    assert (await apply(ada, recipe()))["state"]["id"] != made["state"]["id"]
