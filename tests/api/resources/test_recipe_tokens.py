"""What a recipe says of a workspace's own token."""

from tests.api.resources.recipes import PATH, WORKSPACES, apply, recipe, show, workspace


async def test_a_workspaces_own_token_applies_to_itself_and_to_nothing_else(world, admin):
    made = await apply(admin, recipe(status="running"))
    await apply(admin, recipe("other"))
    token = world.value((await world.credentials(made["state"]["id"]))["SATURN_TOKEN"])
    inside = world.client(token)

    changed = await apply(inside, recipe(description="from inside", status="running"))
    assert changed["state"]["action"] == "updated"
    for name in ("other", "not-there"):
        answer = await inside.put(PATH, json=recipe(name))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert (await inside.get(f"{PATH}/workspace/{name}")).status_code == 404
    assert (await inside.post(PATH, json=recipe("third"))).status_code == 403
    listed = (await inside.get(PATH)).json()["recipes"]
    assert [each["spec"]["name"] for each in listed] == ["first"]
    assert (await show(admin, "other"))["spec"]["description"] == ""


async def test_a_token_gets_the_scope_of_its_recipe_and_keeps_it_where_none_is_said(admin):
    made = await apply(admin, recipe())
    own = f"workspace:{made['state']['id']}"
    path = f"{WORKSPACES}/{made['state']['id']}/token"

    async def given(**spec):
        """Apply, twice; return what became of it, and the scopes in the recipe and of the token."""
        first, second = await apply(admin, recipe(**spec)), await apply(admin, recipe(**spec))
        assert second["state"]["action"] == "unchanged"
        assert second["spec"] == first["spec"]
        token = (await admin.get(path)).json()
        return first["state"]["action"], first["spec"]["token_scope"], token["scope"]

    assert await given() == ("unchanged", "workspace:self", own)
    assert await given(token_scope="workspace:self") == ("unchanged", "workspace:self", own)
    assert await given(token_scope=own) == ("unchanged", "workspace:self", own)
    assert await given(token_scope="workspace:self read") == (
        "updated",
        "workspace:self read",
        f"{own} read",
    )
    same = f"read {own}"
    assert await given(token_scope=same) == ("unchanged", "workspace:self read", f"{own} read")
    assert await given(token_scope=None) == ("updated", None, None)
    assert await given() == ("unchanged", None, None)


async def test_a_new_scope_is_a_new_token_for_what_is_started_from_then_on(world, admin):
    made = await apply(admin, recipe(status="running"))
    workspace_id = made["state"]["id"]
    await world.running(workspace_id)
    old = world.client(world.value((await world.credentials(workspace_id))["SATURN_TOKEN"]))
    assert (await old.get(PATH)).status_code == 200

    await apply(admin, recipe(token_scope=None, status="running"))

    assert (await old.get(PATH)).status_code == 401
    assert (await workspace(admin))["require_restart"]
    await admin.post(f"{WORKSPACES}/{workspace_id}/restart")
    new = world.client(world.value((await world.credentials(workspace_id))["SATURN_TOKEN"]))
    assert (await apply(new, recipe("made-inside")))["state"]["action"] == "created"


async def test_a_new_workspace_starts_with_the_scope_of_its_recipe(world, admin):
    made = await apply(admin, recipe(token_scope="read", status="running"))

    token = world.value((await world.credentials(made["state"]["id"]))["SATURN_TOKEN"])
    inside = world.client(token)
    assert (await show(inside))["spec"]["token_scope"] == "read"
    assert (await inside.put(PATH, json=recipe(description="x"))).status_code == 403


async def test_a_copy_has_a_token_for_itself(admin):
    await apply(admin, recipe())
    copy = await show(admin, as_template="true")
    copy["spec"]["name"] = "second"

    made = await apply(admin, copy)

    token = await admin.get(f"{WORKSPACES}/{made['state']['id']}/token")
    assert token.json()["scope"] == f"workspace:{made['state']['id']}"


async def test_a_workspaces_own_token_cannot_widen_itself(world, admin):
    made = await apply(admin, recipe(status="running"))
    token = world.value((await world.credentials(made["state"]["id"]))["SATURN_TOKEN"])
    inside = world.client(token)

    for scope in (None, "read"):
        answer = await inside.put(PATH, json=recipe(token_scope=scope, description="x"))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await show(admin))["spec"]["description"] == ""
    assert (await apply(inside, await show(inside)))["state"]["action"] == "unchanged"
