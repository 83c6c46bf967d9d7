"""Recipes of older days become those of today; what nobody knows is kept under its own path."""

import pytest

from cassini.runtime.errors import Invalid
from services.api.resources.recipe_dialects import SCHEMA_VERSION, current


def now(**spec):
    return {"schema_version": SCHEMA_VERSION, "type": "workspace", "spec": spec}


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        pytest.param(
            {
                "schema_version": "2022.08.01",
                "name": "notebook",
                "owner": "ada",
                "description": "for reading",
                "image": {"owner": "main/ada", "name": "tools", "version": "7"},
                "working_directory": "/home/jovyan/workspace",
                "environment_variables": {"LEVEL": "3"},
                "start_script": "date",
                "visibility": "owner",
                "extra_packages": {"pip": {"install": "rich"}, "conda": {"use_mamba": True}},
                "jupyter_server": {
                    "instance_type": "large",
                    "disk_space": "20Gi",
                    "auto_shutoff": "3 days",
                    "start_ssh": True,
                    "start_dind": False,
                    "use_spot_instance": True,
                    "self_destruct": True,
                    "subdomain": "reading",
                },
                "git_repositories": [],
                "secrets": [],
                "shared_folders": [],
            },
            now(
                name="notebook",
                owner="ada",
                description="for reading",
                image={"owner": "main/ada", "name": "tools", "version": "7"},
                working_directory="/home/jovyan/workspace",
                environment_variables={"LEVEL": "3"},
                start_script="date",
                extra_packages={"pip": {"install": "rich"}, "conda": {"use_mamba": True}},
                instance_type="large",
                disk_space="20Gi",
                auto_shutoff="3 days",
                start_ssh=True,
                start_dind=False,
                use_spot_instance=True,
                self_destruct=True,
                routes=[{"container_port": 8888, "subdomain": "reading"}],
                git_repositories=[],
                secrets=[],
                shared_folders=[],
            ),
            id="2022.08.01",
        ),
        pytest.param(
            {
                "version": "2022.01.06",
                "name": "old",
                "image_uri": "registry.example/tools:2022.01.06",
                "extra_packages": {
                    "pip": "rich polars",
                    "conda": "numpy",
                    "apt": {"packages": "curl"},
                    "use_mamba": True,
                },
                "credentials": [{"name": "key", "type": "file", "location": "/key"}],
                "dask_cluster": {"num_workers": 2},
                "jupyter_server": {
                    "instance_type": "medium",
                    "routes": [{"container_port": 8000, "visibility": "owner"}],
                },
            },
            now(
                name="old",
                image={"uri": "registry.example/tools:2022.01.06"},
                extra_packages={
                    "pip": {"install": "rich polars"},
                    "conda": {"use_mamba": True, "install": "numpy"},
                    "apt": {"install": "curl"},
                },
                secrets=[{"name": "key", "attachment_type": "file", "location": "/key"}],
                dask_cluster={"num_workers": 2},
                instance_type="medium",
                routes=[{"container_port": 8000, "visibility": "owner"}],
            ),
            id="2022.01.06",
        ),
        pytest.param(
            {"type": "workspace", "spec": {"name": "a", "extra_packages": {"pip": "lightgbm"}}},
            now(name="a", extra_packages={"pip": {"install": "lightgbm"}}),
            id="packages as text today",
        ),
        pytest.param(
            {"name": "a", "jupyter_server": {"size": 1}, "titel": "b", "job": None, "spec": None},
            {
                "schema_version": SCHEMA_VERSION,
                "type": "workspace",
                "spec": {"name": "a"},
                "titel": "b",
                "job": None,
                "jupyter_server.size": 1,
            },
            id="unknown fields keep their paths",
        ),
        pytest.param(
            {"schema_version": "2023.09.01", "type": "workspace", "spec": {}, "x": 1},
            {"schema_version": SCHEMA_VERSION, "type": "workspace", "spec": {}, "x": 1},
            id="an earlier version of today's form",
        ),
        pytest.param({}, {"schema_version": SCHEMA_VERSION}, id="nothing at all"),
        pytest.param(
            {"type": ["job"], "spec": 5, "schema_version": None},
            {"type": ["job"], "spec": 5, "schema_version": SCHEMA_VERSION},
            id="what is wrong is for others to say",
        ),
    ],
)
def test_older_dialects(recipe, expected):
    assert current(recipe) == expected


@pytest.mark.parametrize(
    ("recipe", "code", "says"),
    [
        ({"type": "job", "spec": {}}, "not_offered", "type: .*job.*workspace"),
        ({"type": "deployment"}, "not_offered", "type: .*deployment"),
        ({"type": "image", "spec": {"name": "a"}}, "not_offered", "type: .*image"),
        ({"name": "a", "job": {"command": "date"}}, "not_offered", "job: "),
        ({"name": "a", "deployment": {}}, "not_offered", "deployment: "),
        ({"name": "a", "rstudio_server": {}}, "not_offered", "rstudio_server: "),
        ({"name": "a", "jupyter_server": {}, "job": {}}, "not_offered", "job: "),
        ({"jupyter_server": "large"}, "invalid_fields", "jupyter_server: "),
        ({"jupyter_server": {}, "visibility": "org"}, "not_offered", "visibility: "),
        ({"jupyter_server": {}, "visibility": ["org"]}, "not_offered", "visibility: "),
        ({"jupyter_server": {}, "image": "a", "image_uri": "b"}, "two_images", "image_uri"),
        ({"jupyter_server": {}, "version": 2022}, "bad_schema_version", "version: "),
        ({"schema_version": "yesterday"}, "bad_schema_version", "schema_version: "),
        ({"schema_version": "2025.10.01\n"}, "bad_schema_version", "schema_version: "),
        ({"schema_version": "20\u06625.10.01"}, "bad_schema_version", "schema_version: "),
        ({"schema_version": {"a": 1}, "spec": {}}, "bad_schema_version", "schema_version: "),
        ({"schema_version": "2026.02.01"}, "unknown_schema_version", "2026.02.01 .*2025.10.01"),
    ],
)
def test_what_nobody_here_can_read_is_refused(recipe, code, says):
    with pytest.raises(Invalid, match=says) as caught:
        current(recipe)
    assert caught.value.code == code


@pytest.mark.parametrize("routes", [None, 5, {}, "x"])
def test_routes_of_no_known_form_are_left_to_the_checks(routes):
    server = {"subdomain": "mine", "routes": routes}
    spec = current({"name": "a", "jupyter_server": server})["spec"]
    assert spec["routes"] == [{"container_port": 8888, "subdomain": "mine"}]
