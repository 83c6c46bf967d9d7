"""No secret value lies anywhere but in the encrypted store: a scan after a full scenario.

Scanned are all files of the data directory, while the platform runs and after it was stopped, what
it printed, what pods printed, the arguments of all its processes, and every answer of the API but
the one that is meant to show a value. Each value is searched plain, URL-encoded, in hexadecimal
and in base64 at each of the three places it can begin at.
"""

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.system.client import Client
from tests.system.jupyter import Lab
from tests.system.platform import SIGN_IN

pytestmark = [
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(600),
]

PASSWORD = "planted+password/7f3a é"
LONG_PASSWORD = "planted&second password/41c8"
GREP = ("grep", "--recursive", "--text", "--fixed-strings", "--files-with-matches")
BUILT = ("images", "package-cache")
"""Large, and looked through once, at the end."""


class Planted:
    """The values, and where they must not be."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.found: list[str] = []

    def add(self, name, value):
        assert len(value) > 16
        self.values[name] = value
        return value

    def patterns(self):
        """Return every form of every value -> its name."""
        return {
            form: name for name, value in self.values.items() for form in _forms(value.encode())
        }

    def search(self, where, content, *, but=()):
        """Note the values that a text holds."""
        for form, name in self.patterns().items():
            if form in content and name not in but:
                self.found.append(f"{name} in {where}")

    def search_files(self, folder, *, but=()):
        """Note the files that hold a value. grep takes the patterns as a file and is quick."""
        patterns = b"\n".join(self.patterns())
        listed = subprocess.run(
            [*GREP, *(f"--exclude-dir={name}" for name in but), "--file=-", "--", folder],
            input=patterns,
            capture_output=True,
            check=False,
        )
        # 2: a file went while it was read, or is a socket
        assert listed.returncode in (0, 1, 2), listed.stderr
        for path in listed.stdout.decode().splitlines():
            self.search(path, Path(path).read_bytes())


def _forms(value):
    yield value
    yield quote(value).encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield json.dumps(value.decode())[1:-1].encode()
    yield value.hex().encode()
    for shift in range(3):
        # What stands around a value changes the first and the last signs of its base64.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + value)
            yield text[4 if shift else 0 : len(text) // 4 * 4 - 4]


def sign_in(platform, planted):
    """Sign in with the link that was printed, as a browser; returns the client."""
    link = platform.says(SIGN_IN)
    code = planted.add("sign-in code", link.partition("code=")[2])
    browser = Client(platform.url, "")
    browser.http.headers["Origin"] = platform.url
    assert 200 == browser.http.get("/").status_code
    assert 303 == browser.http.post("/sign-in", data={"code": code}).status_code
    planted.add("session cookie", browser.http.cookies["cassini"])
    return browser


def keep_secrets(client, planted):
    """Keep secrets, one of them with two values; returns where they are to be in a workspace."""
    value = planted.add("secret in a variable", "planted+variable/5b1c é")
    made = client.ask("POST", "/api/secrets", {"name": "key", "value": value}, status=201)
    old = planted.add("old secret in a file", "planted&old=file/77d0")
    new = planted.add("secret in a file", "planted&new=file/31ab")
    file = client.ask("POST", "/api/secrets", {"name": "file", "value": old}, status=201)
    client.ask("PATCH", f"/api/secrets/{file['id']}", {"value": new})
    client.ask("POST", "/api/secrets", {"name": "key", "value": value}, status=409)
    return (
        {"location": "PLANTED_KEY", "secret_id": made["id"]},
        {"location": ".keys/planted", "attachment_type": "file", "secret_id": file["id"]},
    )


def look_inside(lab, planted):
    """Both values are there; what is printed of them is not what is planted."""
    for name, code in (
        ("secret in a variable", "os.environ['PLANTED_KEY']"),
        ("secret in a file", "open(os.path.expanduser('~/.keys/planted')).read()"),
    ):
        digest = lab.run(f"import hashlib, os; print(hashlib.sha256({code}.encode()).hexdigest())")
        assert hashlib.sha256(planted.values[name].encode()).hexdigest() == digest.strip()


def scenario(platform, planted):
    """Use everything that has to do with secrets, and return the clients."""
    browser = sign_in(platform, planted)
    for form in (
        {"password": planted.add("password", PASSWORD)},
        {"password": planted.add("second password", LONG_PASSWORD), "current": PASSWORD},
    ):
        assert 200 == browser.http.post("/password", data=form).status_code
    wrong = {"username": "admin", "password": planted.add("wrong password", "planted-wrong-9d2e1")}
    assert 401 == browser.http.post("/api/auth/login", json=wrong).status_code
    right = {"username": "admin", "password": LONG_PASSWORD}
    assert 204 == browser.http.post("/api/auth/login", json=right).status_code
    planted.add("second session cookie", browser.http.cookies["cassini"])

    client = platform.client()
    planted.add("API token", client.token)
    keys = keep_secrets(client, planted)
    made = browser.ask("POST", "/api/tokens", {"description": "from a browser"}, status=201)
    planted.add("second API token", made["access_token"])
    workspace = client.create("secretive", start_script="env | cut -d= -f1")
    given = f"/api/workspaces/{workspace}/secrets"
    for place in keys:
        client.ask("POST", given, place, status=201)
    client.start(workspace)
    lab = Lab(client.link(workspace))
    planted.add("JupyterLab's token", lab.token)
    inside = lab.run("import os; print(os.environ['SATURN_TOKEN'])").strip()
    planted.add("resource token", inside)
    look_inside(lab, planted)
    own = Client(platform.url, inside)
    own.show(workspace)
    own.ask("POST", "/api/workspaces", {"name": "no"}, status=403)
    for bad in (f"{inside}x", client.token[:-4]):
        Client(platform.url, bad).ask("GET", "/api/workspaces", status=401)
    browser.http.get(f"/workspaces/{workspace}/open")

    client.do("restart", workspace)
    client.wait_for(workspace, "running")
    planted.add("second JupyterLab token", client.link(workspace).params["token"])
    for path in (f"/api/workspaces/{workspace}", "/api/tokens", "/api/user", "/api/info", "/"):
        client.http.get(path)
        browser.http.get(path)
    (pod,) = client.pods(workspace)
    logs = client.ask("GET", f"/api/active/pods/{pod['name']}/logs")["logs"]
    assert "SATURN_TOKEN" in logs
    client.ask("GET", "/api/workspaces/0/open", status=404)
    return workspace, (browser, client, own)


SHOWN = {
    "/open": "JupyterLab token",
    "POST /sign-in": "cookie",
    "POST /api/auth/login": "cookie",
    "POST /api/tokens": "second API token",
}


def shown_by(request, planted):
    """Return the values that one answer is there to show."""
    return [
        name
        for name in planted.values
        for path, kind in SHOWN.items()
        if request.endswith(path) and name.replace("'s", "").endswith(kind)
    ]


def test_no_secret_value_is_outside_the_store(up):
    planted = Planted()
    platform = up()
    workspace, clients = scenario(platform, planted)
    assert len(planted.values) == 14

    processes = platform.home.processes()
    assert len(processes) >= 3
    for pid, words in processes.items():
        planted.search(f"the arguments of process {pid}", words.encode())
    planted.search_files(platform.home.path, but=BUILT)
    for client in clients:
        for request, answer in client.answers:
            planted.search(f"the answer to {request}", answer, but=shown_by(request, planted))

    client = clients[1]
    client.do("stop", workspace)
    client.wait_for(workspace, "stopped")
    planted.search_files(platform.home.path, but=BUILT)
    # Compressed in the database, where the files are not looked into.
    archived = client.ask("GET", f"/api/workspaces/{workspace}/logs?page_size=1000")["logs"]
    assert "SATURN_TOKEN" in {each["content"] for each in archived}
    planted.search("archived logs", "\n".join(each["content"] for each in archived).encode())
    client.delete(workspace)
    assert 0 == platform.end()
    planted.search_files(platform.home.path)
    planted.search("the log", platform.err.read_bytes())
    planted.search("the printed lines", platform.out.read_bytes(), but=("sign-in code",))
    assert [] == sorted(set(planted.found))


def test_the_scan_finds_what_lies_around(tmp_path):
    """The scan itself: each form of a value is found wherever it begins."""
    value = "a-planted-value/with+signs=="
    for place, content in enumerate(
        [
            value.encode(),
            quote(value, safe="").encode(),
            value.encode().hex().encode(),
            *(base64.b64encode(b"x" * shift + value.encode() + b"yz") for shift in range(3)),
        ]
    ):
        planted = Planted()
        planted.add("value", value)
        file = tmp_path / str(place)
        file.write_bytes(b"\0before " + content + b" after\0")
        planted.search_files(tmp_path)
        assert [f"value in {file}"] == sorted(set(planted.found))
        file.unlink()
