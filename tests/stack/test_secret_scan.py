"""No secret value lies anywhere in the distributed form but in the store and where it is used.

The scenario is the embedded form's. Scanned is whatever the platform writes or tells: databases,
queues, logs, metrics, build logs, the API's answers, all that the engine knows of containers,
images, networks and volumes, and the files in images and in workloads' containers. Where a value
belongs is not looked at: OpenBao's data, the volumes of keys, the memory of a workload.
"""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.clients.platforms import empty
from tests.stack.fixtures import STACK
from tests.stack.places import large_places, places
from tests.stack.stack import BUILT_LABEL, INSTALLATION_LABEL, SERVICES, run
from tests.system.planted import Planted
from tests.system.secret_scenario import scenario, search_answers
from tests.system.small_server import small_server

pytestmark = [*STACK, pytest.mark.jupyter]

READ = """
import base64, json, pathlib
found = {}
for path in pathlib.Path("/keys").iterdir():
    key = path.read_bytes()
    if path.suffix == ".key":
        found[f"{path.name} in hexadecimal"] = key.hex()
        found[f"{path.name} in base64"] = base64.b64encode(key).decode().rstrip("=")
    elif path.name != "vault-role-id":
        found[path.name] = key.decode().strip()
print(json.dumps(found))
"""


def keys(stack, planted) -> None:
    """Look for the installation's own passwords and keys, too."""
    for service in SERVICES:
        (container, *_) = stack.containers(service)
        found = json.loads(run("docker", "exec", container, "python", "-c", READ))
        assert {"bus-password", "database-password", "seal.key in base64"} <= found.keys()
        for name, value in found.items():
            planted.add(f"{name} of {service}", value)
    for service, path in (
        ("postgres", "/docker-entrypoint-initdb.d/postgres-password"),
        ("rabbitmq", "/definitions/administrator-password"),
    ):
        planted.add(path, stack.compose("exec", "-T", service, "cat", path).strip())
    words = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "openbao-setup", "-c")
    key, token = stack.compose(*words, "cat /unseal/key; echo; cat /unseal/root-token").split()
    planted.add("OpenBao's unseal key", key)
    planted.add("OpenBao's root token", token)


@pytest.fixture(scope="module")
def user(stack, admin) -> Iterator[str]:
    """An admin of this file, who has no password yet."""
    sent = {"username": "scanned", "email": "scanned@example.org", "send_reset_email": False}
    made = admin.ask("POST", "/api/users", sent, status=201)
    admin.ask("PATCH", f"/api/users/{made['id']}", {"admin": True})
    yield "scanned"
    empty(stack.client("scanned"), ("workspaces", "secrets"))


def look_through(found, planted) -> None:
    for where, words in found:
        planted.search_output(where, *words)


def test_no_secret_value_is_outside_the_store(stack, admin, user):
    planted = Planted()
    keys(stack, planted)
    known = len(planted.values)
    link = stack.cassini("admin", "sign-in-link", "--user", user).strip()
    workspace, clients = scenario(stack, planted, user, link)
    assert known + 14 == len(planted.values)

    look_through(places(stack), planted)
    look_through(large_places(stack), planted)
    client = clients[1]
    for image in client.ask("GET", "/api/images")["images"]:
        for tag in client.ask("GET", f"/api/images/{image['id']}/tags")["image_tags"]:
            client.ask("GET", f"/api/images/{image['id']}/tags/{tag['id']}/logs")
    client.do("stop", workspace)
    client.wait_for(workspace, "stopped")
    # Compressed in the database, where the dump is not looked into.
    archived = client.ask("GET", f"/api/workspaces/{workspace}/logs?page_size=1000")["logs"]
    assert "SATURN_TOKEN" in {each["content"] for each in archived}
    client.delete(workspace)
    look_through(places(stack), planted)
    search_answers((admin, *clients), planted)
    assert [] == sorted(set(planted.found))


@pytest.fixture
def careless(stack, admin, tmp_path):
    """A value that is no secret for the platform and lies wherever one could; removed after."""
    value, name = f"lies-around/{uuid.uuid4().hex}", f"{stack.project}-lies"
    script = f"echo '{value}' | tee lies\nsh -c 'sleep 300; :' '{value}' &\n"
    workspace = admin.create("careless", start_script=script, **small_server(CARELESS=value))
    admin.start(workspace)
    label = f"{INSTALLATION_LABEL}={stack.installation_id()}"
    for kind in ("network", "volume"):
        run("docker", kind, "create", "--label", label, "--label", f"lies={value}", name)
    (tmp_path / "lies").write_text(value)
    run("tar", "-C", tmp_path, "-cf", tmp_path / "layer.tar", "lies")
    labels = f"LABEL {BUILT_LABEL}={stack.installation_id()} lies={value}"
    image = run("docker", "import", "--change", labels, tmp_path / "layer.tar", name).strip()
    lie = "/var/lib/cassini/lies"
    stack.compose("exec", "-T", "builder", "sh", "-c", f"echo '{value}' > {lie}")
    yield value, workspace, image
    stack.compose("exec", "-T", "builder", "rm", lie)
    run("docker", "rmi", name)
    admin.delete(workspace)
    for kind in ("network", "volume"):
        run("docker", kind, "rm", name)


def test_the_scan_finds_what_lies_around(stack, careless):
    value, workspace, image = careless
    planted = Planted()
    planted.add("value", value)
    name = f"cassini-{stack.installation_id()[:8]}-{workspace}-1-0-1"
    (pod,) = [pod.container for pod in stack.pods() if pod.workload == workspace]
    large = [each for each in large_places(stack) if pod in each[0] or image in each[0]]
    look_through(places(stack), planted)
    look_through(large, planted)
    assert {
        f"value in {place}"
        for place in (
            "PostgreSQL",
            "RabbitMQ's data",
            "the builder's files",
            f"the log of {name}",
            "docker inspect",
            "the arguments of processes",
            "docker network inspect",
            "docker volume inspect",
            "docker image inspect",
            f"the layers of image {image}",
            f"the home of {pod}",
        )
    } <= set(planted.found)
