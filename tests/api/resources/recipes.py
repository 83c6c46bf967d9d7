"""Recipes for the tests of their routes, and asking for them."""

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
