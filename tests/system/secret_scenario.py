"""A scenario that uses everything which has to do with secrets, on a platform of either form."""

import hashlib
from collections.abc import Iterable

from tests.clients.platforms import AnyPlatform
from tests.system.client import Client
from tests.system.jupyter import Lab
from tests.system.planted import Planted

PASSWORD = "planted+password/7f3a é"
LONG_PASSWORD = "planted&second password/41c8"


def sign_in(platform: AnyPlatform, planted: Planted, link: str) -> Client:
    """Sign in with a link, as a browser; returns the client."""
    code = planted.add("sign-in code", link.partition("code=")[2])
    browser = Client(platform.url, "")
    browser.http.headers["Origin"] = platform.url
    assert 200 == browser.http.get("/").status_code
    assert 303 == browser.http.post("/sign-in", data={"code": code}).status_code
    planted.add("session cookie", browser.http.cookies["cassini"])
    return browser


def keep_secrets(client: Client, planted: Planted) -> tuple[dict[str, str], ...]:
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


def look_inside(lab: Lab, planted: Planted) -> None:
    """Both values are there; what is printed of them is not what is planted."""
    for name, code in (
        ("secret in a variable", "os.environ['PLANTED_KEY']"),
        ("secret in a file", "open(os.path.expanduser('~/.keys/planted')).read()"),
    ):
        digest = lab.run(f"import hashlib, os; print(hashlib.sha256({code}.encode()).hexdigest())")
        assert hashlib.sha256(planted.values[name].encode()).hexdigest() == digest.strip()


def scenario(
    platform: AnyPlatform, planted: Planted, user: str, link: str
) -> tuple[str, tuple[Client, ...]]:
    """Use everything that has to do with secrets, as an admin who has no password yet.

    Returns:
        The workspace, which runs, and the clients: a browser, the admin's, the workspace's own.
    """
    browser = sign_in(platform, planted, link)
    for form in (
        {"password": planted.add("password", PASSWORD)},
        {"password": planted.add("second password", LONG_PASSWORD), "current": PASSWORD},
    ):
        assert 200 == browser.http.post("/password", data=form).status_code
    wrong = {"username": user, "password": planted.add("wrong password", "planted-wrong-9d2e1")}
    assert 401 == browser.http.post("/api/auth/login", json=wrong).status_code
    right = {"username": user, "password": LONG_PASSWORD}
    assert 204 == browser.http.post("/api/auth/login", json=right).status_code
    planted.add("second session cookie", browser.http.cookies["cassini"])

    client = platform.client(user)
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


def search_answers(clients: Iterable[Client], planted: Planted) -> None:
    """Look through every answer of the API but for what it is there to show."""
    for client in clients:
        for request, answer in client.answers:
            planted.search(f"the answer to {request}", answer, but=shown_by(request, planted))


def shown_by(request: str, planted: Planted) -> list[str]:
    """Return the values that one answer is there to show."""
    return [
        name
        for name in planted.values
        for path, kind in SHOWN.items()
        if request.endswith(path) and name.replace("'s", "").endswith(kind)
    ]
