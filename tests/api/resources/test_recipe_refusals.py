"""Recipes that are refused: what is wrong is said with its place, and nothing changes."""

import pytest

from tests.api.resources.recipes import PATH, apply, recipe, show

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_name_that_is_there_is_not_created_again(admin):
    assert (await admin.post(PATH, json=recipe())).status_code == 201

    answer = await admin.post(PATH, json=recipe(description="x"))

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert (await show(admin))["spec"]["description"] == ""


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
        *("git_repositories", "shared_folders", "dask_cluster", "viewers"),
        *("routes.0.visibility", "routes.1", "routes.2", "start_dind", "ide"),
        *("extra_packages.conda", "extra_packages.apt", "extra_packages.cran"),
        *("extra_packages.remotes", "extra_packages.bioconductor"),
    ):
        assert f"spec.{place}: " in answer.json()["message"]


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
