"""Secrets on their whole way: set in the API, kept by the store, found in a pod.

The platform is the real one, in this process; the workload is a tiny server, and what its start
script finds it writes into the home.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cassini.runtime.clock import SystemClock
from services.api.keys import load_keys
from services.api.people.accounts import ADMIN_NAME, create_token
from services.places import Places
from tests.system.crash.facts import homes
from tests.system.crash.running import Running, running, until_ready
from tests.system.platform import fresh_home

pytestmark = pytest.mark.timeout(180)

LOOK = """python - <<'end'
import json, os, stat
home = os.environ["HOME"]
path = home + "/.keys/file.pem"
found = {
    "variable": os.environ.get("KEY"),
    "file": open(path, newline="").read() if os.path.exists(path) else None,
    "mode": oct(stat.S_IMODE(os.stat(path).st_mode)) if os.path.exists(path) else None,
    "left": [name for name in os.environ if name.startswith("CASSINI_FILE")],
}
with open(home + "/found.new", "w") as file:
    json.dump(found, file)
os.replace(home + "/found.new", home + "/found")
end
"""


@pytest.fixture
async def here(tmp_path) -> AsyncIterator[Running]:
    with fresh_home() as home:
        async with running(home.path, str(tmp_path), None) as here:
            await until_ready(here)
            async with here.platform.api.database.write() as session:
                keys = load_keys(Places(home.path).keys)
                token = await create_token(session, keys, ADMIN_NAME, now=SystemClock().now())
            here.http.headers["Authorization"] = f"token {token}"
            yield here


async def ask(here, method, path, body=None, status=200):
    answer = await here.ask(method, path, body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def start(here, workspace, verb="start"):
    await ask(here, "POST", f"/api/workspaces/{workspace}/{verb}")
    await here.settle(workspace, "running")
    return await asyncio.to_thread(found_in, here.home, workspace)


def found_in(home: Path, workspace: str):
    (place,) = homes(home, workspace)
    return json.loads((place / "found").read_text())


async def test_a_value_reaches_the_pod_and_a_new_one_its_next_start(here):
    sent = {"name": "secretive", "start_script": LOOK}
    workspace = (await ask(here, "POST", "/api/workspaces", sent, 201))["id"]
    secret = await ask(here, "POST", "/api/secrets", {"name": "key", "value": "one\n\n"}, 201)
    for location, kind in (("KEY", "environment_variable"), (".keys/file.pem", "file")):
        body = {"location": location, "attachment_type": kind, "secret_id": secret["id"]}
        await ask(here, "POST", f"/api/workspaces/{workspace}/secrets", body, 201)

    # Set, attached and started at once: nobody waited for the store.
    expected = {"variable": "one\n\n", "file": "one\n\n", "mode": "0o600", "left": []}
    assert expected == await start(here, workspace)

    url = f"/api/secrets/{secret['id']}"
    await ask(here, "PATCH", url, {"value": "two"})
    assert (await here.workspace(workspace))["require_restart"]
    assert expected == await asyncio.to_thread(found_in, here.home, workspace)
    expected |= {"variable": "two", "file": "two"}
    assert expected == await start(here, workspace, "restart")
    assert not (await here.workspace(workspace))["require_restart"]

    for value in ("three", "four"):
        await ask(here, "PATCH", url, {"value": value})
        expected |= {"variable": value, "file": value}
        assert expected == await start(here, workspace, "restart")
    assert "stored" == (await ask(here, "GET", url))["status"]


async def test_a_file_of_the_users_own_is_left_as_it_is_and_the_start_says_so(here):
    sent = {"name": "own", "start_script": "mkdir -p ~/.keys; echo mine >~/.keys/file.pem"}
    workspace = (await ask(here, "POST", "/api/workspaces", sent, 201))["id"]
    await ask(here, "POST", f"/api/workspaces/{workspace}/start")
    await here.settle(workspace, "running")
    new = {"name": "key", "value": "value"}
    body = {"location": "~/.keys/file.pem", "attachment_type": "file", "secret": new}
    await ask(here, "POST", f"/api/workspaces/{workspace}/secrets", body, 201)
    await ask(here, "POST", f"/api/workspaces/{workspace}/restart")
    await here.settle(workspace, "error")
    assert "writing the secret files" in (await here.workspace(workspace))["message"]
    logs = await ask(here, "GET", f"/api/workspaces/{workspace}/logs?page_size=1000")
    assert any("file.pem is there already" in line["content"] for line in logs["logs"])
    (place,) = homes(here.home, workspace)
    assert "mine\n" == await asyncio.to_thread((place / ".keys/file.pem").read_text)
