"""recipes."""

from tests.clients.walks.ground import Ground, only, refusal, without_nulls


def recipes(ground: Ground) -> None:
    api = ground.api.recipes
    spec = {
        "name": "from-a-recipe",
        "owner": "main/admin",
        "description": "as a file would say it",
        "tags": {"team": "stars"},
        "image": ground.image,
        "instance_type": "micro",
        "environment_variables": {"GREETING": "hello"},
        "working_directory": "/home/jovyan/workspace/stars",
        "extra_packages": {"pip": {"install": "tqdm"}},
        "config_files": {".config/stars.toml": {"content": "bright = true\n", "mode": "0600"}},
        "start_script": "echo ready\n",
        "disk_space": "20Gi",
        "auto_shutoff": "6 hours",
        "ide": "jupyter",
    }
    made = api.create({"type": "workspace", "spec": spec})
    assert spec == {name: without_nulls(made["spec"][name]) for name in spec}
    assert "stopped" == made["state"]["status"]
    assert 409 == refusal(api.create, {"type": "workspace", "spec": spec})

    shown = api.get("workspace", "from-a-recipe", owner_name="main/admin")
    assert made["spec"] == shown["spec"]
    assert made["state"]["id"] == shown["state"]["id"]
    assert shown == only(api.list(type="workspace", name="from-a-recipe")["recipes"])
    assert shown == ground.api.workspaces.get_recipe(made["state"]["id"])

    changed = api.apply({"type": "workspace", "spec": spec | {"disk_space": "50Gi"}})
    assert made["state"]["id"] == changed["state"]["id"]
    assert made["spec"] | {"disk_space": "50Gi"} == changed["spec"]
    assert 400 == refusal(api.apply, {"type": "workspace", "spec": spec | {"ide": "rstudio"}})

    template = api.get("workspace", "from-a-recipe", as_template=True)
    assert template.get("state") is None
    assert template["spec"].get("owner") is None
    assert template == ground.api.workspaces.get_recipe(made["state"]["id"], as_template=True)
