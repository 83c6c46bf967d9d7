"""Every route in every role answers as the access table says."""

import pytest
from fastapi import APIRouter

from cassini.contracts.resources import new_id
from cassini.runtime.errors import Forbidden, NotFound
from services.api.access import (
    ALLOWED,
    READING,
    TARGETLESS,
    Action,
    Role,
    access,
    action_of,
    require,
)
from services.api.app import create_app, routes_of
from services.api.auth.caller import Caller
from services.api.auth.scopes import ALL, Scope
from services.api.auth.tokens import mint_token
from services.api.credentials.models import Secret, SecretAttachment

REFUSED = {401, 403, 404}
READER = "reader"
"""A person's token with the scope ``read``."""
# A target that only a query names, lists (shown to all, each sees their own), and bodies.
QUERY_TARGETS = {
    ("GET", "/api/active/pods"): "workload_type=workspace&workload_id={workspace_id}",
    ("GET", "/api/recipes/{recipe_type}/{name}"): "owner_id={owner_id}",
}
TARGETS = {"workspace_id", "name", "api_token_id", "user_id", "secret_id"}
NOT_FOR_ITS_TOKEN = {"api_token_id", "user_id", "secret_id"}
LISTS = {
    ("GET", f"/api/{noun}") for noun in ("workspaces", "recipes", "secrets", "active/resources")
}
SHOWN_TO_ALL = {("GET", "/api/users/{user_id}")}
RECIPE = {
    "type": "workspace",
    "spec": {"name": "made-by-test", "image": "admin/python:1", "instance_type": "micro"},
}
BODIES = {
    ("POST", "/api/recipes"): RECIPE,
    ("PUT", "/api/recipes"): RECIPE,
    ("POST", "/api/workspaces"): {"name": "made-by-test"},
    ("PATCH", "/api/workspaces/{workspace_id}"): {"description": "x"},
    ("PATCH", "/api/workspaces/{workspace_id}/token"): {"scope": "read"},
    ("POST", "/api/workspaces/{workspace_id}/secrets"): {"location": "KEY"},
    ("PATCH", "/api/workspaces/{workspace_id}/secrets/{secret_attachment_id}"): {"location": "K"},
    ("POST", "/api/secrets"): {"name": "made-by-test", "value": "x"},
    ("PATCH", "/api/secrets/{secret_id}"): {"value": "x"},
    ("POST", "/api/tokens"): {"description": "x"},
    ("PATCH", "/api/tokens/{api_token_id}"): {"description": "x"},
    ("PATCH", "/api/user"): {"full_name": "x"},
    ("PATCH", "/api/user/preferences"): {"default_org_id": "{org_id}"},
    ("POST", "/api/user/preferences"): {"default_org_id": "{org_id}"},
    ("POST", "/api/users"): {"username": "", "email": "a@b.example"},
    ("PATCH", "/api/users/{user_id}"): {"full_name": "x"},
    ("PATCH", "/api/orgs/{org_id}"): {"description": "x"},
    ("POST", "/api/auth/login"): {"username": "nobody", "password": "nothing"},
    ("POST", "/api/auth/password"): {"password": "short"},
    ("POST", "/api/auth/token"): {"grant_type": "refresh_token", "refresh_token": "x"},
}
# Open routes that refuse for reasons of their own, and what a token may not do at all.
OWN_REFUSALS = {
    ("POST", "/api/auth/login"): {"wrong_password"},
    ("POST", "/api/auth/token"): {"bad_refresh_token"},
    ("POST", "/sign-in"): None,
    ("POST", "/api/auth/password"): {"forbidden"},
    ("POST", "/password"): None,
    # The workspace is there, its pod is not.
    ("GET", "/api/active/pods/{name}"): {"pod_not_found"},
    ("GET", "/api/active/pods/{name}/logs"): {"pod_not_found"},
}


async def targets(world):
    """What stands for each path parameter: fresh things of ``owner``, or public ones."""
    workspace_id = await world.workspace(world.owner)
    await world.resource_token(world.owner, workspace_id)
    async with world.api.database.write() as session:
        row, _ = await mint_token(session, world.api.keys, now=1.0, user_id=world.owner.user_id)
        secret_id, attachment_id = new_id(), new_id()
        whose = {"owner_id": world.owner.owner_id, "created_at": 1.0}
        session.add(Secret(id=secret_id, name=f"key-{secret_id}", **whose))
        session.add(
            SecretAttachment(
                id=attachment_id,
                resource_id=workspace_id,
                attachment_type="environment_variable",
                location="A",
                **whose,
            )
        )
    return {
        "workspace_id": workspace_id,
        "owner_id": world.owner.owner_id,
        "recipe_type": "workspace",
        "name": f"{workspace_id}-1-0-1",
        "api_token_id": row.id,
        "user_id": world.owner.user_id,
        "secret_id": secret_id,
        "secret_attachment_id": attachment_id,
        "org_id": world.org_id,
        "image_id": world.image_id,
        "image_tag_id": world.image_tag_id,
    }


async def header_of(world, role, workspace_id):
    if role is Role.FOREIGN_TOKEN:
        workspace_id = await world.workspace(world.owner)
    if role in {Role.ITS_TOKEN, Role.FOREIGN_TOKEN}:
        return await world.resource_token(world.owner, workspace_id)
    if role is Role.OWNER_TOKEN:
        return await world.resource_token(world.owner, workspace_id, scope=None)
    if role == READER:
        return await world.scoped_token(world.owner, "read")
    if role is Role.ORG_ADMIN:
        await world.make_org_admin(world.other)
    people = {
        Role.ADMIN: world.admin,
        Role.OWNER: world.owner,
        Role.OTHER: world.other,
        Role.ORG_ADMIN: world.other,
    }
    return people[role].header if role in people else {}


def expected_refusal(action, role, key):
    """Return the status that refuses, or None where the route is reached."""
    if role is Role.NOBODY:
        return None if action is Action.OPEN else 401
    if key in LISTS or action in allowed_to(role, key):
        return None
    if action in TARGETLESS and action not in allowed_in_own_place(role):
        return 403
    return 404 if targets_of(key) and Action.VIEW not in allowed_to(role, key) else 403


def targets_of(key):
    if key in SHOWN_TO_ALL:
        return set()
    named = {name for name in TARGETS if f"{{{name}}}" in key[1]}
    return named | {"workspace_id"} if key in QUERY_TARGETS else named


def allowed_in_own_place(role):
    """What a caller may do that is about nothing of anybody's."""
    if role == READER:
        return ALLOWED[Role.OWNER] & READING
    if role in {Role.OTHER, Role.ORG_ADMIN}:
        return ALLOWED[Role.OWNER]
    return ALLOWED[Role.FOREIGN_TOKEN if role is Role.ITS_TOKEN else role]


def allowed_to(role, key):
    """What a caller may do to what a route is about: things of ``owner``."""
    named = targets_of(key)
    if not named:
        more = ALLOWED[role] if role is Role.ORG_ADMIN and "{org_id}" in key[1] else set()
        return allowed_in_own_place(role) | more
    if role is Role.ITS_TOKEN and named & NOT_FOR_ITS_TOKEN:
        return ALLOWED[Role.FOREIGN_TOKEN]
    if role == READER:
        return ALLOWED[Role.OWNER] & READING
    return ALLOWED[Role.OTHER if role is Role.ORG_ADMIN else role]


@pytest.mark.parametrize("role", [*Role, READER])
async def test_every_route_answers_as_the_access_table_says(world, app, client, role):
    await world.workspace(world.other)  # who owns something is not deleted on the walk
    wrong = []
    world.api.watch.close()  # a live stream would be told apart from a refusal only at its end
    for route in routes_of(app):
        for method in route.methods:
            key = (method, route.path)
            fillings = await targets(world)
            header = await header_of(world, role, fillings["workspace_id"])
            if "recipe_type" in route.path:
                fillings["name"] = f"w-{fillings['workspace_id'][:8]}"
            url = route.path.format(**fillings)
            if key in QUERY_TARGETS:
                url += "?" + QUERY_TARGETS[key].format(**fillings)
            body = filled(BODIES.get(key), fillings)
            response = await client.request(method, url, headers=header, json=body)
            expected = expected_refusal(action_of(route), role, key)
            if not is_as_expected(response, expected, key):
                wrong.append((method, url, expected, response.status_code, response.text[:200]))
    assert wrong == []


def filled(body, fillings):
    if body is None:
        return None
    return {
        name: value.format(**fillings) if isinstance(value, str) else value
        for name, value in body.items()
    }


def is_as_expected(response, expected, key):
    if expected is not None:
        return response.status_code == expected and set(response.json()) == {"message", "code"}
    if response.status_code < 500 and response.status_code not in REFUSED:
        # "invalid_fields" comes before the route itself: then BODIES lacks an example.
        return "location" in response.headers or b'"code": "invalid_fields"' not in response.content
    if key not in OWN_REFUSALS:
        return False
    codes = OWN_REFUSALS[key]
    return response.status_code in REFUSED and (codes is None or response.json()["code"] in codes)


def test_an_app_with_a_route_that_names_no_action_is_not_made(api):
    router = APIRouter()
    router.add_api_route("/bare", lambda: None)
    with pytest.raises(ValueError, match="/bare"):
        create_app(api, [router])


async def test_what_is_not_theirs_answers_as_what_is_not_there(world, client):
    theirs, nowhere = await world.workspace(world.owner), new_id()
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/start")):
        answers = [
            await client.request(
                method, f"/api/workspaces/{each}{path}", headers=world.other.header, json={}
            )
            for each in (theirs, nowhere)
        ]
        assert answers[0].status_code == answers[1].status_code == 404
        assert answers[0].json() == answers[1].json()


async def test_a_list_under_a_resource_token_has_that_resource_only(world, client):
    mine = await world.workspace(world.owner)
    await world.workspace(world.owner)
    header = await world.resource_token(world.owner, mine)
    listed = (await client.get("/api/workspaces", headers=header)).json()["workspaces"]
    assert [each["id"] for each in listed] == [mine]


def caller(**changed):
    given = {
        "user_id": "u",
        "username": "u",
        "is_admin": False,
        "owner_ids": frozenset({"o"}),
        "default_owner_id": "o",
        "default_org_id": "g",
        "admin_of": frozenset(),
        "token_id": None,
        "resource_id": None,
        "scope": ALL,
        "via": "session",
    }
    return Caller(**given | changed)


def test_an_admin_may_do_all_to_others_but_reveal():
    admin = caller(is_admin=True)
    for action in set(Action) - {Action.REVEAL}:
        require(admin, action, owner_id="x", resource_id="r")
    with pytest.raises(Forbidden):
        require(admin, Action.REVEAL, owner_id="x", resource_id="r")
    require(admin, Action.REVEAL, owner_id="o", resource_id="r")


def test_a_stranger_is_told_that_there_is_nothing():
    with pytest.raises(NotFound, match="There is no such workspace"):
        require(caller(), Action.VIEW, owner_id="x", resource_id="r", what="workspace")


def test_a_resource_token_reaches_its_resource_and_no_other():
    token = caller(resource_id="r", scope=Scope(resources=frozenset({"r"})), via="token")
    require(token, Action.START, owner_id="o", resource_id="r")
    with pytest.raises(NotFound):
        require(token, Action.VIEW, owner_id="o", resource_id="s")
    with pytest.raises(Forbidden):
        require(token, Action.CREATE, owner_id="o")
    with pytest.raises(Forbidden):
        require(token, Action.DELETE, owner_id="o", resource_id="r")


def test_a_route_carries_its_action():
    router = APIRouter()
    router.add_api_route("/x", lambda: None, openapi_extra=access(Action.EDIT))
    assert action_of(router.routes[0]) is Action.EDIT
