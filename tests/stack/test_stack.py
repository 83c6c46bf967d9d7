"""The distributed form as its users see it: JupyterLab in a container, and what it is given."""

import json

import pytest

from tests.clients.platforms import built_in_image
from tests.clients.printed import table
from tests.stack.fixtures import STACK
from tests.stack.stack import run
from tests.system.client import Client
from tests.system.jupyter import Lab

pytestmark = [*STACK, pytest.mark.clients, pytest.mark.jupyter]

RECIPE = """\
type: workspace
spec:
  name: in-a-container
  image: {image}
  instance_type: micro
  secrets:
    - {{name: key, location: KEY, attachment_type: environment_variable}}
    - {{name: file, location: .keys/file.pem, attachment_type: file}}
"""
KEY, FILE = "the value of the key", "first line\nand a second \u2713\n"
LOOK = """
import json, os, stat
path = os.path.expanduser("~/.keys/file.pem")
mode = oct(stat.S_IMODE(os.stat(path).st_mode))
print(json.dumps([os.environ["KEY"], open(path, newline="").read(), mode]))
"""
ASK = """
import json, os, urllib.request
url, token = os.environ["SATURN_BASE_URL"], os.environ["SATURN_TOKEN"]
workspace = f"{url}/api/workspaces/{os.environ['SATURN_RESOURCE_ID']}"
request = urllib.request.Request(workspace, headers={"Authorization": f"token {token}"})
with urllib.request.urlopen(request, timeout=30) as answer:
    print(json.dumps([url, json.load(answer)["name"]]))
"""


@pytest.fixture(scope="module")
def key(admin) -> str:
    """The id of a secret; there is another one for the file."""
    admin.ask("POST", "/api/secrets", {"name": "file", "value": FILE}, status=201)
    made = admin.ask("POST", "/api/secrets", {"name": "key", "value": KEY}, status=201)
    return str(made["id"])


@pytest.fixture(scope="module")
def workspace(admin, clients, key) -> str:
    """The id of a workspace that ``sc`` started from a file and that runs."""
    file = clients.home / "workspace.yaml"
    file.write_text(RECIPE.format(image=built_in_image(admin)))
    assert "Started workspace in-a-container" in clients.sc("apply", file, "--start")
    (row,) = table(clients.sc("list", "workspace", "in-a-container"))
    admin.wait_for(row["id"], "running")
    return row["id"]


@pytest.fixture(scope="module")
def pod(stack, workspace) -> dict:
    """Its container as ``docker inspect`` tells of it."""
    names = [pod.container for pod in stack.pods() if pod.workload == workspace]
    (found,) = json.loads(run("docker", "inspect", *names))
    return found


@pytest.fixture(scope="module")
def lab(admin, workspace, pod) -> Lab:
    return Lab(admin.link(workspace))


def test_jupyterlab_runs_in_a_container_of_the_image_that_was_built(stack, lab, pod):
    who = json.loads(lab.run("import json, os; print(json.dumps([os.getuid(), os.getcwd()]))"))
    assert 1000 == who[0]
    assert who[1].startswith("/home/jovyan")
    (image,) = json.loads(run("docker", "image", "inspect", pod["Image"]))
    digest = image["Config"]["Labels"]["io.cassini.image"]
    assert pod["Config"]["Image"].endswith(f":{digest}")
    assert image["Config"]["Labels"]["io.cassini.installation"] == stack.installation_id()
    assert pod["Image"] == image["Id"]
    assert 64 == len(digest)


def test_secrets_are_there_as_variable_and_as_file(lab, pod):
    assert [KEY, FILE, "0o600"] == json.loads(lab.run(LOOK))
    assert KEY not in json.dumps(pod)


def test_the_platform_is_reached_from_inside(lab):
    """By the gateway's name in the pod's own network, with the token of the resource."""
    assert ["http://cassini:8765", "in-a-container"] == json.loads(lab.run(ASK))


def test_a_changed_secret_is_there_after_a_restart(admin, lab, workspace, key):
    admin.ask("PATCH", f"/api/secrets/{key}", {"value": "another value"})
    assert admin.show(workspace)["require_restart"]
    assert KEY == json.loads(lab.run(LOOK))[0]
    admin.do("restart", workspace)
    shown = admin.wait_for(workspace, "running")
    assert not shown["require_restart"]
    assert ["another value", FILE] == json.loads(Lab(admin.link(workspace)).run(LOOK))[:2]


def test_a_sign_in_link_works_once_through_the_public_port(stack):
    link = stack.cassini("admin", "sign-in-link").strip()
    assert link.startswith(f"{stack.url}/")
    browser = Client(stack.url, "")
    browser.http.headers["Origin"] = stack.url
    assert 200 == browser.http.get(link).status_code
    code = {"code": link.partition("code=")[2]}
    assert 303 == browser.http.post("/sign-in", data=code).status_code
    assert "admin" == browser.ask("GET", "/api/user")["username"]
    again = Client(stack.url, "")
    again.http.headers["Origin"] = stack.url
    assert 303 != again.http.post("/sign-in", data=code).status_code
