"""users, orgs, current_user."""

from tests.clients.walks.ground import Ground, only, refusal


def users(ground: Ground) -> None:
    api = ground.api.users
    sent = {"username": "ada", "email": "ada@example.org", "full_name": "Ada", "admin": False}
    made = api.create(sent | {"send_reset_email": False})
    assert sent == {name: made[name] for name in sent}
    assert (True, False) == (made["active"], made["locked"])

    brief = api.get(made["id"])
    assert {"id", "username", "avatar_url"} == brief.keys()
    assert made == api.get(made["id"], details=True)
    assert brief == only(api.list(username="ada")["users"])
    assert made == only(api.list(email="ada@example.org", details=True)["users"])

    new = {"full_name": "Ada Lovelace", "email": "lovelace@example.org", "admin": True}
    assert made | new == api.update(made["id"], new)
    owner = only(ground.api.current_user.list_owners_0(made["id"])["owners"])
    assert ("main/ada", made["id"]) == (owner["name"], owner["user"]["id"])

    assert api.delete(made["id"]) is None
    assert 404 == refusal(api.get, made["id"])


def pages(ground: Ground) -> None:
    """A list is walked to its end, and back."""
    for name in ("page-a", "page-b", "page-c"):
        body = {"username": name, "email": f"{name}@example.org", "send_reset_email": False}
        ground.api.users.create(body)
    ask = ground.api.users.list
    first = ask(username="page-", page_size=2)
    last = ask(username="page-", page_size=2, next_key=first["next_key"])
    assert [["page-a", "page-b"], ["page-c"]] == [
        [user["username"] for user in page["users"]] for page in (first, last)
    ]
    assert (None, None) == (first["prev_key"], last["next_key"])
    assert first["users"] == ask(username="page-", page_size=2, prev_key=last["prev_key"])["users"]
    backwards = ask(username="page-", descending=True)["users"]
    assert (first["users"] + last["users"])[::-1] == backwards


def orgs(ground: Ground) -> None:
    api = ground.api.orgs
    org = only(api.list(name="main")["orgs"])
    assert org == only(api.list(all_orgs=True)["orgs"])
    assert ("main", True) == (org["name"], org["is_primary"])
    assert org == api.get(org["id"])

    new = {"description": "We look at stars", "email": "stars@example.org"}
    new |= {"website_url": "https://stars.example.org"}
    assert org | new == api.update(org["id"], new)
    back = {"description": "", "website_url": None}
    assert org | new | back == api.update(org["id"], back)

    owner = only(api.list_owners(org["id"])["owners"])
    assert ("main/admin", "user") == (owner["name"], owner["identity_type"])
    detailed = only(
        api.list_owners(org["id"], name="admin", all_users=True, details=True)["owners"]
    )
    assert owner == {name: detailed[name] for name in owner}
    assert ("main", "admin") == (detailed["org"]["name"], detailed["user"]["username"])
    assert [] == api.list_owners(org["id"], identity_type="group", all_groups=True)["owners"]


def current_user(ground: Ground) -> None:
    """One who looks at what is theirs, changes it, and leaves."""
    sent = {"username": "leaver", "email": "leaver@example.org", "send_reset_email": False}
    made = ground.api.users.create(sent)
    token = ground.api.api_tokens.create({"identity": {"user_id": made["id"]}})["access_token"]
    api = ground.api.with_token(token).current_user
    assert made == api.get()
    assert made | {"full_name": "A Leaver"} == api.update({"full_name": "A Leaver"})
    owner = only(api.list_owners()["owners"])
    assert "main/leaver" == owner["name"]

    preferences = {"default_org_id": owner["org_id"], "default_owner": owner}
    assert owner == api.get_preferences()["default_owner"]
    assert (
        owner["org_id"]
        == api.update_preferences({"default_org_id": owner["org_id"]})["default_org_id"]
    )
    assert preferences["default_org_id"] == api.get_preferences()["default_org_id"]

    assert api.delete() is None
    assert 401 == refusal(api.get)
    assert 404 == refusal(ground.api.users.get, made["id"])
    assert ground.api.with_token(None).current_user.get() is None
