"""``sc`` as a person runs it: what is there, and one workspace in all its ways of being shown."""

import json
from pathlib import Path

import pytest

from tests.clients.printed import refusal, table, values

pytestmark = [
    pytest.mark.clients,
    pytest.mark.jupyter,
    pytest.mark.timeout(600),
]

RECIPE = """\
type: workspace
spec:
  name: {name}
  description: "Started by sc: a person's own file"
  image: {image}
  instance_type: micro
  disk_space: 20Gi
  auto_shutoff: 6 hours
  environment_variables:
    GREETING: hello
  start_script: |
    echo "the start script says $GREETING"
    echo "and it is done"
"""
SAID = "the start script says hello"


@pytest.fixture(scope="module")
def running(clients, http, image) -> str:
    """The id of a workspace that ``sc`` made from a file and started; nobody stops it."""
    file = clients.home / "workspace.yaml"
    file.write_text(RECIPE.format(name="notebooks", image=image))
    printed = clients.sc("apply", file, "--start").splitlines()
    applied, started = "Applied workspace notebooks", "Started workspace notebooks"
    assert [f"{applied} for main/admin from recipe", f"{started} for main/admin"] == printed
    workspace = table(clients.sc("list", "workspace", "notebooks"))[0]["id"]
    http.wait_for(workspace, "running")
    return workspace


@pytest.fixture(scope="module")
def idle(clients, image) -> str:
    """The name of a workspace that is stopped."""
    file = clients.home / "idle.json"
    spec = {"name": "reports", "image": image, "instance_type": "small"}
    file.write_text(json.dumps({"type": "workspace", "spec": spec}))
    assert "Applied workspace reports" in clients.sc("apply", file)
    return "reports"


class TestSecrets:
    def test_a_recipe_names_them_and_leaves_places_for_others(self, clients, http, image):
        http.ask("POST", "/api/secrets", {"name": "star", "value": "shining-value"}, status=201)
        given = [
            {"location": "STAR", "attachment_type": "environment_variable", "name": "star"},
            {"location": "LATER", "attachment_type": "environment_variable"},
        ]
        spec = {"name": "given", "image": image, "instance_type": "micro", "secrets": given}
        file = clients.home / "given.json"
        file.write_text(json.dumps({"type": "workspace", "spec": spec}))
        assert "Applied workspace given" in clients.sc("apply", file)

        recipe = json.loads(clients.sc("get", "workspace", "given", "-o", "json"))
        named = given[0] | {"owner": "main/admin", "description": ""}
        assert [named, given[1] | {"description": ""}] == recipe["spec"]["secrets"]
        assert "shining-value" not in str(recipe)

        clients.sc("clone", "workspace", "given", "workspace", "copy-of-given")
        copy = json.loads(clients.sc("get", "workspace", "copy-of-given", "-o", "json"))
        assert recipe["spec"]["secrets"] == copy["spec"]["secrets"]
        for name in ("given", "copy-of-given"):
            clients.sc("delete", "workspace", name)


class TestOptions:
    def test_sizes_come_smallest_first_and_fit_a_pattern(self, clients):
        sizes = values(clients.sc("options"))
        assert ["micro", "small"] == [size["name"] for size in sizes][:2]
        assert sorted(size["cores"] for size in sizes) == [size["cores"] for size in sizes]
        assert {1} == {size["cores"] for size in sizes[:2]}
        (only,) = values(clients.sc("options", "--option-type", "sizes", "--glob", "mic*"))
        assert sizes[0] == only

    def test_disks_are_offered_with_words_for_people(self, clients):
        disks = values(clients.sc("options", "--option-type", "disk_space"))
        assert {"value": "10Gi", "display_str": "10 GB"} == disks[0]

    def test_hours_until_shutoff_fit_a_pattern(self, clients):
        printed = clients.sc("options", "--option-type", "auto_shutoff", "--glob", "*hours")
        assert ["6 hours", "24 hours"] == values(printed)


class TestList:
    def test_the_table_tells_the_state_of_each(self, clients, running, idle):
        rows = {row["name"]: row for row in table(clients.sc("list", "resource"))}
        assert {"notebooks", "reports"} <= rows.keys()
        common = {"owner": "main/admin", "resource_type": "workspace", "scale": "1"}
        shown = common | {"name": "notebooks", "status": "running", "instance_type": "micro"}
        assert shown | {"id": running} == rows["notebooks"]
        assert "stopped" == rows["reports"]["status"]
        assert "small" == rows["reports"]["instance_type"]

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (("workspaces", "note"), ["notebooks"]),
            (("workspace", "--status", "running"), ["notebooks"]),
            (("workspace", "--owner", "main/admin", "rep"), ["reports"]),
            (("deployment",), []),
        ],
    )
    def test_it_shows_only_what_is_asked_for(self, clients, running, idle, words, names):
        assert names == [row["name"] for row in table(clients.sc("list", *words))]

    def test_json_and_yaml_hold_the_whole_recipes(self, clients, running):
        (recipe,) = json.loads(clients.sc("list", "workspace", "notebooks", "-o", "json"))
        assert running == recipe["state"]["id"]
        assert {"GREETING": "hello"} == recipe["spec"]["environment_variables"]
        printed = clients.sc("list", "workspace", "notebooks", "--output", "yaml")
        assert "  name: notebooks\n" in printed

    def test_a_template_leaves_out_whose_it_is_and_how_it_does(self, clients, running):
        words = ("list", "workspace", "notebooks", "--as-template", "-o", "json")
        (template,) = json.loads(clients.sc(*words))
        assert "state" not in template
        assert "owner" not in template["spec"]


class TestGet:
    def test_what_was_applied_comes_back(self, clients, running, image):
        recipe = json.loads(clients.sc("get", "workspace", "notebooks", "-o", "json"))
        assert "workspace" == recipe["type"]
        assert ("running", running) == (recipe["state"]["status"], recipe["state"]["id"])
        spec = recipe["spec"]
        assert ("main/admin", "micro") == (spec["owner"], spec["instance_type"])
        assert ("20Gi", "6 hours") == (spec["disk_space"], spec["auto_shutoff"])
        assert spec["start_script"].startswith('echo "the start script says $GREETING"\n')
        assert "Started by sc: a person's own file" == spec["description"]

    def test_applied_again_it_changes_nothing(self, clients, http, running):
        before = http.show(running)
        saved = clients.home / "saved.yaml"
        saved.write_text(clients.sc("get", "workspace", "notebooks"))
        assert "Applied workspace notebooks" in clients.sc("apply", saved)
        assert before == http.show(running)

    def test_a_change_in_the_file_is_taken_over(self, clients, http, idle):
        changed = clients.home / "changed.yaml"
        recipe = clients.sc("get", "workspace", idle)
        assert "instance_type: small" in recipe
        changed.write_text(recipe.replace("instance_type: small", "instance_type: medium"))
        clients.sc("apply", changed)
        assert (
            "medium"
            == table(clients.sc("get", "workspace", idle, "-o", "table"))[0]["instance_type"]
        )
        changed.write_text(recipe)
        clients.sc("apply", changed)


class TestPods:
    def test_the_pod_that_runs_is_live(self, clients, running):
        (pod,) = table(clients.sc("pods", "workspace", "notebooks", "--source", "live"))
        assert pod["pod_name"].startswith(running)
        assert ("running", "live", "") == (pod["status"], pod["source"], pod["end_time"])
        assert "" != pod["start_time"]

    def test_it_is_listed_once_although_history_knows_it_too(self, clients, running):
        (pod,) = table(clients.sc("pods", "workspace", "notebooks"))
        (past,) = table(clients.sc("pods", "workspace", "notebooks", "--source", "historical"))
        assert pod["pod_name"] == past["pod_name"]
        assert ("live", "historical") == (pod["source"], past["source"])

    def test_one_without_pods_has_an_empty_table(self, clients, idle):
        assert [] == table(clients.sc("pods", "workspace", idle))

    def test_pods_of_another_state_are_left_out(self, clients, running):
        assert [] == table(clients.sc("pods", "workspace", "notebooks", "--status", "stopped"))


class TestLogs:
    @pytest.mark.parametrize("more", [(), ("--all-containers",), ("--source", "live")])
    def test_they_hold_what_the_pod_prints(self, clients, running, more):
        printed = clients.sc("logs", "workspace", "notebooks", *more)
        assert f"Pod: {running}" in printed
        assert "Container: main" in printed
        assert SAID in printed
        assert "Jupyter" in printed

    def test_historical_ones_hold_it_too(self, clients, running):
        printed = clients.sc("logs", "workspace", "notebooks", "--source", "historical")
        assert "Historical" in printed
        assert SAID in printed

    def test_of_a_named_pod(self, clients, running):
        (pod,) = table(clients.sc("pods", "workspace", "notebooks"))
        printed = clients.sc("logs", "workspace", "notebooks", pod["pod_name"])
        assert f"Pod: {pod['pod_name']}" in printed
        assert SAID in printed

    def test_one_that_never_ran_has_none(self, clients, idle):
        assert "" == clients.sc("logs", "workspace", idle).strip()


class TestWhatCannotBe:
    @pytest.mark.parametrize("command", ["get", "start", "stop", "restart", "delete", "logs"])
    def test_an_unknown_name(self, clients, command):
        said = refusal(clients.sc_fails(command, "workspace", "nowhere"))
        assert said["message"] == "There is no workspace named 'nowhere'."

    def test_an_unknown_owner(self, clients):
        said = refusal(clients.sc_fails("list", "workspace", "--owner", "main/nobody"))
        assert "owner" in said["message"]

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ("instance_type: gigantic", "gigantic"),
            ("disk_space: plenty", "disk_space"),
            ("auto_shutoff: 5 minutes", "auto_shutoff"),
            ("image: main/admin/nothing:1", "nothing"),
            ("name: two words", "name"),
            ("owner: main/nobody", "owner"),
            ("environment_variables: {SATURN_TOKEN: mine}", "SATURN_TOKEN"),
        ],
    )
    def test_a_recipe_with_a_mistake(self, clients, image, wrong, named):
        said = refusal(clients.sc_fails("apply", _recipe_with(clients.home, image, wrong)))
        assert named in said["message"]
        assert [] == table(clients.sc("list", "workspace", "mistaken"))

    def test_a_recipe_of_another_kind_of_thing(self, clients):
        file = clients.home / "kind.json"
        file.write_text(json.dumps({"type": "spaceship", "spec": {"name": "apollo"}}))
        said = refusal(clients.sc_fails("apply", file))
        assert "spaceship" in said["message"] or "workspace" in said["message"]

    def test_a_taken_name(self, clients, running, idle):
        words = ("clone", "workspace", "notebooks", "workspace", idle)
        said = refusal(clients.sc_fails(*words))
        assert idle in said["message"]

    def test_the_deletion_of_what_runs(self, clients, http, running):
        said = refusal(clients.sc_fails("delete", "workspace", "notebooks"))
        assert "stop it first" in said["message"]
        assert "running" == http.show(running)["status"]

    def test_a_token_that_is_none(self, clients_with):
        said = refusal(clients_with("not-a-token").sc_fails("list", "workspace"))
        assert "token" in said["message"]


def _recipe_with(folder: Path, image: str, line: str) -> Path:
    """Write a recipe in which one line is wrong, in place of the right one or beside it."""
    spec = {"name": "mistaken", "image": image, "instance_type": "micro"}
    lines = [f"  {key}: {value}" for key, value in spec.items() if not line.startswith(f"{key}:")]
    file = folder / "mistaken.yaml"
    file.write_text("\n".join(["type: workspace", "spec:", f"  {line}", *lines]))
    return file
