"""Recipes over HTTP: show, list, create, apply."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings

from tests.api.resources import wanted

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
some_examples = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

PATH = "/api/recipes"
WORKSPACES = "/api/workspaces"
IMAGE = "main/admin/cassini-python:0.1.0"


def recipe(name="first", **spec):
    return {
        "type": "workspace",
        "spec": {"name": name, "image": "cassini-python", "instance_type": "micro"} | spec,
    }


async def apply(client, body, **params):
    answer = await client.put(PATH, json=body, params=params)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def show(client, name="first", **params):
    answer = await client.get(f"{PATH}/workspace/{name}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def workspace(client, name="first"):
    """Return a workspace as ``/api/workspaces`` shows it."""
    found = (await client.get(WORKSPACES, params={"name": name})).json()["workspaces"]
    return next(each for each in found if each["name"] == name)


FULL = {
    "description": "all of it",
    "tags": {"team": "one"},
    "instance_type": "medium",
    "environment_variables": {"A": "1"},
    "working_directory": "/home/jovyan/elsewhere",
    "extra_packages": {"pip": {"requirements_txt": "rich\npolars\n"}},
    "config_files": {".config/x.toml": {"content": "a = 1", "mode": "0600"}},
    "start_script": "echo hello",
    "disk_space": "20Gi",
    "auto_shutoff": "Never",
    "start_ssh": True,
    "use_spot_instance": True,
    "self_destruct": True,
}


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


async def test_a_name_that_is_there_is_not_created_again(admin):
    assert (await admin.post(PATH, json=recipe())).status_code == 201

    answer = await admin.post(PATH, json=recipe(description="x"))

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert (await show(admin))["spec"]["description"] == ""


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


@on_sqlite
@pytest.mark.parametrize(
    ("spec", "status", "code", "says"),
    [
        ({"name": "a b"}, 400, "invalid_fields", "spec.name: "),
        ({"name": None}, 400, "invalid_fields", "spec.name: field required"),
        ({"image": None}, 400, "invalid_fields", "spec.image: field required"),
        ({"image": 5}, 400, "invalid_fields", "spec.image: "),
        ({"image": {"name": "a"}}, 400, "invalid_fields", "spec.image.version: field required"),
        ({"image": "nothing:1"}, 400, "unknown_image", "spec.image: "),
        ({"image": "a/b/c/d"}, 400, "bad_image", "spec.image: "),
        ({"instance_type": None}, 400, "invalid_fields", "spec.instance_type: field required"),
        ({"instance_type": ""}, 400, "invalid_fields", "spec.instance_type: "),
        ({"instance_type": "enormous"}, 400, "unknown_size", "micro"),
        ({"description": "x" * 2049}, 400, "invalid_fields", "spec.description: "),
        ({"tags": {"a": 1}}, 400, "invalid_fields", "spec.tags.a: "),
        ({"environment_variables": {"A": 1}}, 400, "invalid_fields", "variables.A: "),
        ({"environment_variables": {"SATURN_TOKEN": "x"}}, 400, "invalid_fields", "platform"),
        ({"working_directory": "/etc"}, 400, "invalid_fields", "spec.working_directory: "),
        ({"config_files": {"/etc/x": {"content": ""}}}, 400, "invalid_fields", "below the home"),
        ({"config_files": {"a": {"mode": "0644"}}}, 400, "invalid_fields", "a.content: field"),
        (
            {"config_files": {f"f{n}": {"content": "x" * 2000} for n in range(150)}},
            400,
            "invalid_fields",
            "spec.config_files: ",
        ),
        ({"start_script": ["a"]}, 400, "invalid_fields", "spec.start_script: "),
        ({"disk_space": "lots"}, 400, "invalid_fields", "spec.disk_space: "),
        ({"auto_shutoff": "2 hours"}, 400, "invalid_fields", "spec.auto_shutoff: "),
        ({"status": "paused"}, 400, "invalid_fields", "spec.status: "),
        ({"token_scope": "everything"}, 400, "invalid_fields", "spec.token_scope: "),
        ({"extra_packages": "rich"}, 400, "invalid_fields", "spec.extra_packages: "),
        (
            {"extra_packages": {"pip": {"install": "a", "requirements_txt": "b"}}},
            400,
            "invalid_fields",
            "spec.extra_packages.pip: ",
        ),
        ({"routes": [{"container_port": 80}]}, 400, "invalid_fields", "routes.0.container_port: "),
        ({"routes": [{}]}, 400, "invalid_fields", "spec.routes.0.container_port: field required"),
        ({"git_repositories": "x"}, 400, "invalid_fields", "spec.git_repositories: "),
        ({"owner": "main/nobody"}, 404, "owner_not_found", ""),
        ({"owner": "NOT A PATH"}, 400, "bad_owner", ""),
        ({"owner": 5}, 400, "invalid_fields", "spec.owner: "),
        ({"ide": "rstudio"}, 400, "not_offered", "spec.ide: "),
        ({"start_dind": True}, 400, "not_offered", "spec.start_dind: "),
        ({"dask_cluster": {"num_workers": 0}}, 400, "not_offered", "spec.dask_cluster: "),
        ({"viewers": [{"identity": "x"}]}, 400, "not_offered", "spec.viewers: "),
    ],
)
async def test_a_bad_recipe_is_refused_with_the_place_and_changes_nothing(
    admin, spec, status, code, says
):
    made = await apply(admin, recipe())
    for method, name in (("POST", "other"), ("PUT", "first"), ("PUT", "other")):
        body = recipe(name)
        body["spec"] |= spec
        answer = await admin.request(method, PATH, json=body)

        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert says in answer.json()["message"]
    listed = (await admin.get(PATH)).json()["recipes"]
    assert [each["spec"] for each in listed] == [made["spec"]]


@on_sqlite
@pytest.mark.parametrize("kind", ["job", "deployment", "image"])
async def test_what_there_are_no_recipes_of_is_said(admin, kind):
    for method in ("POST", "PUT"):
        answer = await admin.request(method, PATH, json=recipe() | {"type": kind})
        assert (answer.status_code, answer.json()["code"]) == (400, "not_offered")
        assert "workspace" in answer.json()["message"]
    assert (await admin.get(f"{PATH}/{kind}/first")).status_code == 404
    listed = await admin.get(PATH, params={"type": kind})
    assert (listed.status_code, listed.json()["recipes"]) == (200, [])


@on_sqlite
@pytest.mark.parametrize(
    "body", ["", "[]", "null", '"x"', "{}", '{"type": "boat", "spec": {}}', "{"]
)
async def test_a_body_that_is_no_recipe_is_refused(admin, body):
    for method in ("POST", "PUT"):
        assert (await admin.request(method, PATH, content=body)).status_code == 400


@on_sqlite
async def test_all_that_is_missing_here_is_told_at_once(admin):
    body = recipe(
        git_repositories=[{"url": "https://git.example/a"}],
        secrets=[{"location": "KEY", "attachment_type": "environment_variable"}],
        shared_folders=[{"name": "data"}],
        dask_cluster={"num_workers": 2, "scheduler": {}, "worker": {}},
        viewers=[{"identity": "ada"}],
        routes=[
            {"container_port": 8888, "visibility": "org"},
            {"container_port": 8000},
            {"container_port": 8888},
        ],
        start_dind=True,
        ide="rstudio",
        extra_packages={
            "conda": {"environment_yml": "a"},
            **{name: {"install": "a"} for name in ("apt", "cran", "remotes", "bioconductor")},
        },
    )

    answer = await admin.put(PATH, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "not_offered")
    for place in (
        *("git_repositories", "secrets", "shared_folders", "dask_cluster", "viewers"),
        *("routes.0.visibility", "routes.1", "routes.2", "start_dind", "ide"),
        *("extra_packages.conda", "extra_packages.apt", "extra_packages.cran"),
        *("extra_packages.remotes", "extra_packages.bioconductor"),
    ):
        assert f"spec.{place}: " in answer.json()["message"]


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


@on_sqlite
async def test_unknown_fields_are_refused_by_their_paths_only_where_that_is_asked_for(admin):
    body = recipe(
        instnce_type="large",
        owner={"name": "admin", "nme": "x"},
        image={"uri": "cassini-python:0.1.0", "url": "x"},
        extra_packages={"pip": {"instal": "rich"}},
        config_files={"a": {"content": "", "mod": "0644"}},
        routes=[{"container_port": 8888, "port": 1}],
    )
    body |= {"verison": "x", "state": {"nobody": "knows"}}
    for method in ("POST", "PUT"):
        answer = await admin.request(method, PATH, json=body, params={"enforce_unknown": "true"})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_fields")
        assert sorted(answer.json()["message"].split("; ")) == [
            "spec.config_files.a.mod: unknown field (did you mean mode?)",
            "spec.extra_packages.pip.instal: unknown field (did you mean install?)",
            "spec.image.url: unknown field (did you mean uri?)",
            "spec.instnce_type: unknown field (did you mean instance_type?)",
            "spec.owner.nme: unknown field (did you mean name?)",
            "spec.routes.0.port: unknown field",
            "verison: unknown field",
        ]
    assert (await admin.get(PATH)).json()["recipes"] == []
    assert (await apply(admin, body, enforce_unknown="false"))["state"]["action"] == "created"
    assert (await apply(admin, body))["state"]["action"] == "unchanged"


@on_sqlite
async def test_an_unknown_field_of_an_older_dialect_keeps_its_path(admin):
    body = {
        "name": "first",
        "image_uri": "cassini-python:0.1.0",
        "jupyter_server": {"instance_type": "micro", "disk": "10Gi"},
        "title": "x",
    }

    answer = await admin.post(PATH, json=body, params={"enforce_unknown": "true"})

    assert answer.json()["message"] == ("title: unknown field; jupyter_server.disk: unknown field")


@on_sqlite
async def test_a_million_unknown_fields_are_a_short_answer(admin):
    body = recipe(**{f"f{number}": 1 for number in range(50_000)})

    answer = await admin.put(PATH, json=body, params={"enforce_unknown": "true"})

    assert answer.status_code == 400
    assert len(answer.text) < 5_000


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
