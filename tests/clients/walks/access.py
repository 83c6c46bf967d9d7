"""api_tokens, authorization: everything with which somebody proves who they are."""

from tests.clients.walks.ground import Ground, only, refusal
from tests.system.client import Client

PASSWORD = "a long password of one who signs in"


def api_tokens(ground: Ground) -> None:
    api = ground.api.api_tokens
    me = ground.api.current_user.get()["id"]
    made = api.create({"description": "for a script", "expires_in": 3600, "scope": "read"})
    assert ("for a script", "read", me) == (made["description"], made["scope"], made["user_id"])
    assert made["expires_at"] is not None
    info = {name: made[name] for name in made if name not in ("access_token", "refresh_token")}
    assert info == api.get(made["id"])
    assert info in api.list(user_id=me)["tokens"]

    theirs = ground.api.with_token(made["access_token"])
    assert me == theirs.current_user.get()["id"]
    assert 403 == refusal(theirs.workspaces.create, {"name": "not-with-read"})

    assert info | {"description": "for another"} == api.update(
        made["id"], {"description": "for another"}
    )
    assert api.delete(made["id"]) is None
    assert 401 == refusal(theirs.current_user.get)
    assert 404 == refusal(api.get, made["id"])


def token_for_somebody_else(ground: Ground) -> None:
    sent = {"username": "robot", "email": "robot@example.org", "send_reset_email": False}
    robot = ground.api.users.create(sent)
    made = ground.api.api_tokens.create({"identity": {"user_id": robot["id"]}})
    assert robot["id"] == made["user_id"]
    assert "robot" == ground.api.with_token(made["access_token"]).current_user.get()["username"]
    assert made["id"] == only(ground.api.api_tokens.list(user_id=robot["id"])["tokens"])["id"]


def refresh(ground: Ground) -> None:
    made = ground.api.api_tokens.create({"expires_in": 3600, "refresh_expires_in": 7200})
    nobody = ground.api.with_token(None).authorization
    grant = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
    given = nobody.create_oauth_token(grant)
    assert ("Bearer", 3600, 7200) == (
        given["token_type"],
        given["expires_in"],
        given["refresh_expires_in"],
    )
    assert made["refresh_token"] != given["refresh_token"]
    theirs = ground.api.with_token(given["access_token"])
    assert "admin" == theirs.current_user.get()["username"]
    assert 401 == refusal(ground.api.with_token(made["access_token"]).current_user.get)


def browser(ground: Ground) -> None:
    """One who signs in with a password: the client keeps the cookie."""
    sent = {"username": "signs-in", "email": "signs-in@example.org", "send_reset_email": False}
    ground.api.users.create(sent)
    set_password(ground, "signs-in", PASSWORD)
    nobody = ground.api.with_token(None)
    assert nobody.current_user.get() is None
    wrong = {"username": "signs-in", "password": "something else"}
    assert 401 == refusal(nobody.authorization.login, wrong)
    assert nobody.authorization.login(wrong | {"password": PASSWORD}) is None
    assert "signs-in" == nobody.current_user.get()["username"]
    assert nobody.authorization.logout() is None
    assert nobody.current_user.get() is None


def set_password(ground: Ground, user: str, password: str) -> None:
    """Set a password as its owner does: in a browser that a link signed in."""
    link = ground.platform.cassini("admin", "sign-in-link", "--user", user)
    page = Client(ground.platform.url, "").http
    page.headers["Origin"] = ground.platform.url
    code = link.strip().partition("code=")[2]
    assert 303 == page.post("/sign-in", data={"code": code}).status_code
    assert 204 == page.post("/api/auth/password", json={"password": password}).status_code
