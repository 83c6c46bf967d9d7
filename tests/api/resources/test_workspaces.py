import asyncio

import pytest
from sqlalchemy import event

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATH = "/api/workspaces"

SHAPE = {
    "auto_shutoff": str,
    "created_at": str,
    "debug_mode": bool,
    "description": str,
    "disk_space": str,
    "environment_variables": dict,
    "id": str,
    "ide": str,
    "image_tag": dict,
    "instance_size": str,
    "is_spot": bool,
    "k8s_name": str,
    "name": str,
    "owner": dict,
    "require_restart": bool,
    "resource_type": str,
    "size_display": str,
    "start_dind": bool,
    "start_ssh": bool,
    "status": str,
    "subdomain": str,
    "updated_at": str,
    "url": str,
    "working_dir": str,
}
NULLABLE = {"extra_packages", "ssh_url", "start_script", "started_at"}


async def create(client, **fields):
    answer = await client.post(PATH, json={"name": "first"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_new_workspace_has_every_field_of_the_contract_with_its_default(admin):
    made = await create(admin)

    assert {name: type(made[name]) for name in SHAPE} == SHAPE
    assert made.keys() >= NULLABLE
    expected = {
        "name": "first",
        "description": "",
        "ide": "jupyter",
        "auto_shutoff": "1 hour",
        "disk_space": "10Gi",
        "working_dir": "/home/jovyan/workspace",
        "instance_size": "micro",
        "size_display": "Micro - 1 core - 1 GB RAM",
        "resource_type": "workspace",
        "status": "stopped",
        "require_restart": False,
        "environment_variables": {},
        "extra_packages": None,
        "started_at": None,
        "ssh_url": None,
        "self_destruct": False,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["owner"]["name"] == "main/admin"
    assert made["image_tag"]["image"]["name"] == "cassini-python"
    assert "auto_shutoff" in made["inactive_settings"]
    assert made["created_at"].endswith("+00:00")
    assert made == (await admin.get(f"{PATH}/{made['id']}")).json()


async def test_everything_that_can_be_set_comes_back(admin):
    sent = {
        "name": "full",
        "description": "a text",
        "tags": {"team": "one"},
        "instance_size": "medium",
        "environment_variables": {"A": "1"},
        "extra_packages": {"pip": "rich"},
        "config_files": {".config/x.toml": {"content": "a = 1"}},
        "start_script": "echo hello",
        "working_dir": "/home/jovyan/elsewhere",
        "disk_space": "20Gi",
        "auto_shutoff": "Never",
        "subdomain": "mine",
        "self_destruct": True,
    }

    made = await create(admin, **sent)

    assert made["extra_packages"]["pip"] == "rich"
    assert made["config_files"] == {".config/x.toml": {"content": "a = 1", "mode": "0644"}}
    same = sent.keys() - {"extra_packages", "config_files"}
    assert {name: made[name] for name in same} == {name: sent[name] for name in same}


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "a b"}, 400),
        ({"name": "a\n"}, 400),
        ({"name": "a/../b"}, 400),
        ({"name": "x" * 65}, 400),
        ({"name": None}, 400),
        ({"name": 5}, 400),
        ({"name": ["a"]}, 400),
        ({"description": "x" * 2049}, 400),
        ({"description": None}, 400),
        ({"description": "nul \0"}, 400),
        ({"tags": {"a": 1}}, 400),
        ({"tags": ["a"]}, 400),
        ({"instance_size": "enormous"}, 400),
        ({"instance_size": 3}, 400),
        ({"image_tag_id": "f" * 32}, 400),
        ({"image_tag_id": "no id"}, 400),
        ({"image_uri": "nobody/nothing:1"}, 400),
        ({"environment_variables": {"1A": "x"}}, 400),
        ({"environment_variables": {"A=B": "x"}}, 400),
        ({"environment_variables": {"A": 1}}, 400),
        ({"environment_variables": {"A": "x\0"}}, 400),
        ({"environment_variables": {"SATURN_TOKEN": "x"}}, 400),
        ({"environment_variables": {f"V{n}": "x" for n in range(201)}}, 400),
        ({"environment_variables": {"A": "x" * 300_000}}, 400),
        ({"environment_variables": "A=1"}, 400),
        ({"config_files": {"/etc/passwd": {"content": "x"}}}, 400),
        ({"config_files": {"../x": {"content": "x"}}}, 400),
        ({"config_files": {"a/../../x": {"content": "x"}}}, 400),
        ({"config_files": {"a//b": {"content": "x"}}}, 400),
        ({"config_files": {"": {"content": "x"}}}, 400),
        ({"config_files": {"a": {"content": "x", "mode": "0999"}}}, 400),
        ({"config_files": {"a": {"content": "x", "mode": "u+x"}}}, 400),
        ({"config_files": {"a": {"mode": "0644"}}}, 400),
        ({"config_files": {"a": "x"}}, 400),
        ({"working_dir": "workspace"}, 400),
        ({"working_dir": "/etc"}, 400),
        ({"working_dir": "/home/jovyan/../root"}, 400),
        ({"working_dir": "/home/jovyan-two"}, 400),
        ({"disk_space": "lots"}, 400),
        ({"disk_space": "-1Gi"}, 400),
        ({"auto_shutoff": "2 hours"}, 400),
        ({"ide": "rstudio"}, 400),
        ({"ide": "emacs"}, 400),
        ({"start_dind": True}, 400),
        ({"start_ssh": "maybe"}, 400),
        ({"subdomain": "Not A Label"}, 400),
        ({"extra_packages": {"conda": "numpy"}}, 400),
        ({"extra_packages": {"pip": "rich", "apt": "curl"}}, 400),
        ({"extra_packages": "rich"}, 400),
        ({"external_repo_attachments": [{"external_repo_id": "x"}]}, 400),
        ({"owner": "main/nobody"}, 404),
        ({"owner": {"id": "f" * 32}}, 404),
        ({"owner": "NOT A PATH"}, 400),
        ({"owner": 5}, 400),
    ],
)
async def test_bad_input_is_refused_with_a_message_and_changes_nothing(admin, fields, status):
    answer = await admin.post(PATH, json={"name": "bad"} | fields)

    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert answer.json()["code"]
    assert (await admin.get(PATH)).json()["workspaces"] == []


@on_sqlite
@pytest.mark.parametrize("body", ["", "[]", '"text"', "{", "null", '{"name": "\\ud800"}'])
async def test_a_body_that_is_no_object_is_refused(admin, body):
    answer = await admin.post(PATH, content=body)

    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_unknown_fields_are_ignored_and_a_content_type_is_not_needed(admin):
    answer = await admin.post(PATH, content='{"name": "plain", "nobody_knows": {"this": 1}}')

    assert answer.status_code == 201


async def test_a_name_is_unique_per_owner_and_free_again_after_delete(world, admin, ada):
    made = await create(admin)

    assert (await admin.post(PATH, json={"name": "first"})).status_code == 409
    await create(ada)
    assert (await admin.delete(f"{PATH}/{made['id']}")).status_code == 204
    await create(admin)


async def test_of_two_creations_at_once_with_one_name_one_is_refused(admin):
    answers = await asyncio.gather(*(admin.post(PATH, json={"name": "one"}) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


@on_sqlite
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "bad name"}, 400),
        ({"name": None}, 400),
        ({"instance_size": "enormous"}, 400),
        ({"image_tag_id": "f" * 32}, 400),
        ({"description": None}, 400),
        ({"environment_variables": {"": "x"}}, 400),
        ({"name": "second"}, 409),
        ({"subdomain": "taken"}, 409),
    ],
)
async def test_a_bad_change_is_refused_and_changes_nothing(admin, fields, status):
    await create(admin, name="second", subdomain="taken")
    made = await create(admin)
    path = f"{PATH}/{made['id']}"

    answer = await admin.patch(path, json=fields)

    assert answer.status_code == status, answer.text
    assert (await admin.get(path)).json() == made


async def test_a_change_touches_only_what_was_sent(admin):
    made = await create(admin, description="before", environment_variables={"A": "1"})

    answer = await admin.patch(f"{PATH}/{made['id']}", json={"name": "renamed", "owner": "x"})

    assert answer.status_code == 200
    changed = answer.json()
    assert changed["name"] == "renamed"
    differing = {name for name in made if made[name] != changed[name]}
    assert differing <= {"name", "updated_at"}


async def test_a_change_to_what_is_there_already_needs_no_restart(world, admin):
    made = await create(
        admin,
        environment_variables={"A": "1"},
        extra_packages={"pip": "rich"},
        config_files={"a": {"content": "x"}},
    )
    path = f"{PATH}/{made['id']}"
    await admin.post(f"{path}/start")
    before = (await admin.get(path)).json()

    same = {
        "environment_variables": {"A": "1"},
        "extra_packages": {"pip": "rich"},
        "config_files": {"a": {"content": "x"}},
        "image_tag_id": made["image_tag"]["id"],
    }
    answer = await admin.patch(path, json=same)

    assert answer.status_code == 200, answer.text
    assert answer.json() == before
    assert not before["require_restart"]
    changed = await admin.patch(path, json={"extra_packages": {"pip": "polars"}})
    assert changed.json()["require_restart"]


@on_sqlite
async def test_a_size_that_is_not_offered_any_more_may_stay_and_not_come(world, admin):
    made = await create(admin, instance_size="medium")
    await create(admin, name="other")
    await world.backend(cores=1)

    same = {"instance_size": "medium", "description": "x"}
    assert (await admin.patch(f"{PATH}/{made['id']}", json=same)).status_code == 200
    assert (
        await admin.post(PATH, json={"name": "b", "instance_size": "medium"})
    ).status_code == 400


@on_sqlite
async def test_all_that_is_not_offered_is_refused_at_once(admin):
    fields = {
        "ide": "rstudio",
        "start_dind": True,
        "extra_packages": {"conda": "numpy", "apt": "curl"},
        "external_repo_attachments": [{"external_repo_id": "x"}],
    }
    answer = await admin.post(PATH, json={"name": "bad"} | fields)

    assert (answer.status_code, answer.json()["code"]) == (400, "not_offered")
    for field in ("ide", "start_dind", "extra_packages.conda", "extra_packages.apt"):
        assert f"{field}: " in answer.json()["message"]
    assert "external_repo_attachments: " in answer.json()["message"]


async def test_null_means_the_default_for_what_can_be_null(admin):
    made = await create(
        admin,
        subdomain="mine",
        tags={"a": "b"},
        extra_packages={"pip": "x"},
        config_files={"a": {"content": "b"}},
        start_script="true",
    )
    nothing = dict.fromkeys(("subdomain", "tags", "extra_packages", "config_files", "start_script"))
    changed = (await admin.patch(f"{PATH}/{made['id']}", json=nothing)).json()

    assert changed["subdomain"] == f"w-admin-first-{made['id'][:12]}"
    expected = {name: None for name in nothing if name != "subdomain"}
    assert {name: changed[name] for name in expected} == expected


@pytest.mark.parametrize(
    "fields", [{"is_spot": 0}, {"start_ssh": "yes"}, {"self_destruct": 1}, {"name": 5}]
)
async def test_a_value_of_another_type_is_refused(admin, fields):
    answer = await admin.post(PATH, json={"name": "first"} | fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")


async def test_lists_come_in_pages_that_cover_everything_once(admin):
    names = [f"w{number}" for number in range(5)]
    for name in names:
        await create(admin, name=name)

    seen, key = [], ""
    while key is not None:
        answer = await admin.get(PATH, params={"page_size": 2} | ({"next_key": key} if key else {}))
        seen += [each["name"] for each in answer.json()["workspaces"]]
        key = answer.json()["next_key"]

    assert seen == names
    descending = await admin.get(PATH, params={"descending": "True"})
    assert [each["name"] for each in descending.json()["workspaces"]] == names[::-1]


@on_sqlite
@pytest.mark.parametrize(
    "params",
    [
        {"next_key": "nonsense"},
        {"page_size": "0"},
        {"page_size": "1001"},
        {"page_size": "x"},
        {"status": "happy"},
        {"owner": "NOT A PATH"},
    ],
)
async def test_bad_list_parameters_are_refused(admin, params):
    assert (await admin.get(PATH, params=params)).status_code == 400


async def test_an_owners_name_is_checked_beside_an_id_too(admin):
    owner_id = (await create(admin))["owner"]["id"]
    answer = await admin.get(PATH, params={"owner_id": owner_id, "owner_name": "No Name"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_owner")


async def test_lists_filter_by_name_status_and_owner_in_all_its_forms(world, admin, ada):
    mine = await create(admin, name="alpha-one")
    await create(admin, name="beta")
    theirs = await create(ada, name="theirs")
    owner = theirs["owner"]

    async def names(**params):
        answer = await admin.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["workspaces"]]

    assert await names() == ["alpha-one", "beta"]
    assert await names(name="pha") == ["alpha-one"]
    assert await names(name="%") == []
    assert await names(status="running") == []
    assert await names(status="stopped", name="alpha") == [mine["name"]]
    for form in (
        {"owner": "main/ada"},
        {"owner": "ada"},
        {"owner_name": "main/ada"},
        {"owner_id": owner["id"]},
        {"user_id": owner["user_id"]},
        {"user_id": owner["user_id"], "org_id": owner["org_id"]},
    ):
        assert await names(**form) == ["theirs"]
    assert (await ada.get(PATH, params={"owner": "admin"})).status_code == 404


@on_sqlite
@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE", "start", "stop", "restart", "open"])
async def test_what_is_not_mine_does_not_exist(world, admin, ada, verb):
    made = await create(admin)
    path = f"{PATH}/{made['id']}"

    async def ask(client, path):
        if verb == "open":
            return await client.get(f"{path}/open")
        if verb.isupper():
            return await client.request(verb, path, json={} if verb == "PATCH" else None)
        return await client.post(f"{path}/{verb}")

    assert (await ask(ada, path)).status_code == 404
    assert (await ask(admin, f"{PATH}/{'0' * 32}")).status_code == 404
    assert (await ask(admin, f"{PATH}/no-such-id")).status_code == 404
    assert (await ask(world.client(None), path)).status_code == 401
    assert (await admin.get(path)).json() == made


async def test_a_resource_token_works_for_its_own_resource_only(world, admin):
    mine = await create(admin)
    other = await create(admin, name="other")
    await admin.post(f"{PATH}/{mine['id']}/start")
    token = world.value((await world.credentials(mine["id"]))["SATURN_TOKEN"])
    inside = world.client(token)

    assert (await inside.get(f"{PATH}/{mine['id']}")).status_code == 200
    assert [each["id"] for each in (await inside.get(PATH)).json()["workspaces"]] == [mine["id"]]
    assert (await inside.get(f"{PATH}/{other['id']}")).status_code == 404
    assert (await inside.post(f"{PATH}/{other['id']}/start")).status_code == 404
    assert (await inside.post(PATH, json={"name": "third"})).status_code == 403
    assert (await inside.delete(f"{PATH}/{mine['id']}")).status_code == 403
    assert (await inside.get(f"{PATH}/{mine['id']}/open")).status_code == 403
    pods = {"workload_type": "workspace", "workload_id": other["id"]}
    assert (await inside.get("/api/active/pods", params=pods)).status_code == 404


async def test_the_open_link_holds_the_token_and_is_for_the_owner_only(world, admin, ada):
    made = await create(ada)
    path = f"{PATH}/{made['id']}"
    assert (await ada.get(f"{path}/open")).status_code == 409
    await ada.post(f"{path}/start")
    await world.running(made["id"])

    answer = await ada.get(f"{path}/open")
    page = await ada.get(f"/workspaces/{made['id']}/open")

    token = await world.jupyter_token(made["id"])
    assert answer.json() == {"url": f"http://127.0.0.1:40001/lab?token={token}"}
    assert answer.headers["cache-control"] == "no-store"
    assert page.status_code == 303
    assert page.headers["location"] == answer.json()["url"]
    assert page.headers["referrer-policy"] == "no-referrer"
    shown = (await ada.get(path)).json()
    assert shown["url"] == "http://127.0.0.1:40001/"
    assert token not in str(shown)
    assert (await admin.get(path)).status_code == 200
    assert (await admin.get(f"{path}/open")).status_code == 403


@on_sqlite
async def test_a_list_takes_as_many_queries_for_many_as_for_one(world, admin):
    counts = []
    for number in range(4):
        await create(admin, name=f"w{number}")
        engine = world.ground.database._reader.sync_engine
        queries = []

        def count(*args):
            queries.append(args[2])  # noqa: B023 - one list a round

        event.listen(engine, "before_cursor_execute", count)
        assert len((await admin.get(PATH)).json()["workspaces"]) == number + 1
        event.remove(engine, "before_cursor_execute", count)
        counts.append(len(queries))

    assert counts == [counts[0]] * 4
