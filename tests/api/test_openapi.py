"""The description of the API: what the rules add, and how it is served."""

import json
import re
import subprocess
import sys

import pytest
from fastapi import APIRouter

from services.api.access import Action, access
from services.api.app import create_app
from services.api.auth.dependencies import CallerDep, MaybeCallerDep
from services.api.context import ContextDep
from services.api.openapi import describe
from services.api.published import FILE
from services.api.wire import WireIn, WireOut

ERRORS = {"400", "401", "403", "404", "409", "413", "415", "429", "503"}


class BodyIn(WireIn):
    text: str = "x"


class ReferringIn(WireIn):
    inner: list[BodyIn] | None = None
    owner: str | None = None


class ThingOut(WireOut):
    id: str
    title: str = "a field of that name"


def operation(method, path, endpoint, *, action=Action.VIEW, tag="things", **more):
    """Return what is said of one route, and of the app that has it."""
    router = APIRouter()
    more.setdefault("tags", [tag] if tag else None)
    extra = access(action)
    router.add_api_route(path, endpoint, methods=[method], openapi_extra=extra, **more)
    document = describe(create_app(None, [router]))
    return document["paths"][path][method.lower()], document


def errors_of(*route, **more):
    return set(operation(*route, **more)[0]["responses"]) & ERRORS


async def get_thing(caller: CallerDep) -> ThingOut: ...
async def get_thing_of(thing_id: str, caller: CallerDep) -> ThingOut: ...
async def list_things(owner_id: str, caller: CallerDep) -> ThingOut: ...
async def create_thing(body: BodyIn, caller: CallerDep) -> ThingOut: ...
async def create_for(body: ReferringIn, caller: CallerDep) -> ThingOut: ...
async def get_nothing() -> ThingOut: ...
async def get_rows(api: ContextDep) -> ThingOut: ...
async def get_me(caller: MaybeCallerDep) -> ThingOut: ...
async def post_login(body: BodyIn, api: ContextDep) -> ThingOut: ...


KNOWN = {"400", "401", "403", "503"}


@pytest.mark.parametrize(
    ("route", "more", "expected"),
    [
        (("GET", "/x", get_thing), {}, KNOWN),
        (("GET", "/x/{thing_id}", get_thing_of), {}, KNOWN | {"404"}),
        (("GET", "/x", list_things), {}, KNOWN | {"404"}),
        (("DELETE", "/x", get_thing), {}, KNOWN | {"409"}),
        (("GET", "/x", get_thing), {"action": Action.REVEAL}, KNOWN | {"409"}),
        (("POST", "/x", create_thing), {}, KNOWN | {"409", "413", "415"}),
        (("POST", "/x", create_for), {}, KNOWN | {"404", "409", "413", "415"}),
        (("GET", "/x", get_nothing), {"action": Action.OPEN}, {"400"}),
        (("GET", "/x", get_rows), {"action": Action.OPEN}, {"400", "503"}),
        (("GET", "/x", get_me), {"action": Action.OPEN}, KNOWN),
        (
            ("POST", "/x", post_login),
            {"action": Action.OPEN, "tag": "authorization"},
            KNOWN | {"409", "413", "415", "429"},
        ),
    ],
)
def test_the_errors_of_a_route_follow_from_what_it_is(route, more, expected):
    assert errors_of(*route, **more) == expected


def test_an_error_is_described_once_and_referred_to():
    said, document = operation("GET", "/x", get_thing)
    assert said["responses"]["401"] == {"$ref": "#/components/responses/Unauthenticated"}
    schemas = document["components"]["schemas"]
    assert schemas["Error"]["required"] == ["message", "code"]
    assert [name for name in schemas if "Validation" in name] == []
    assert "422" not in said["responses"]


@pytest.mark.parametrize(
    ("action", "endpoint", "expected"),
    [
        (Action.VIEW, get_thing, [{"bearerAuth": []}, {"tokenAuth": []}, {"sessionCookie": []}]),
        (Action.OPEN, get_nothing, []),
        (
            Action.OPEN,
            get_me,
            [{}, {"bearerAuth": []}, {"tokenAuth": []}, {"sessionCookie": []}],
        ),
    ],
)
def test_who_may_call_follows_from_the_access_rule(action, endpoint, expected):
    said, document = operation("GET", "/x", endpoint, action=action)
    assert said["security"] == expected
    assert set(document["components"]["securitySchemes"]) >= {
        key for way in expected for key in way
    }


@pytest.mark.parametrize(
    ("tag", "name", "expected"),
    [
        ("things", "list_things", "things_list"),
        ("things", "get_thing", "things_get"),
        ("things", "post_thing", "things_create"),
        ("things", "patch_thing", "things_update"),
        ("image_tags", "get_tag_status_history", "imagetags_getStatusHistory"),
        ("current_user", "list_current_owners", "currentuser_listOwners"),
        ("active", "get_pod_logs", "active_getPodLogs"),
    ],
)
def test_an_operations_id_is_its_tag_and_the_verb_of_its_function(tag, name, expected):
    async def endpoint() -> ThingOut: ...

    endpoint.__name__ = name
    assert operation("GET", "/x", endpoint, tag=tag)[0]["operationId"] == expected


def test_an_operation_may_be_given_another_id():
    said, _ = operation("GET", "/x", get_thing, operation_id="things_findOne")
    assert said["operationId"] == "things_findOne"


def test_a_route_that_no_id_can_be_made_of_is_told():
    async def thing() -> ThingOut: ...

    for endpoint, tag in ((get_thing, None), (thing, "things")):
        with pytest.raises(ValueError, match=r"/x needs a tag and a verb"):
            operation("GET", "/x", endpoint, tag=tag)


def test_two_operations_of_one_id_are_told():
    router = APIRouter(tags=["things"])
    for path in ("/x", "/y"):
        router.add_api_route(path, get_thing, openapi_extra=access(Action.VIEW))
    with pytest.raises(ValueError, match="several operations have one id: things_get"):
        describe(create_app(None, [router]))


def test_what_is_answered_is_there_always_and_titles_are_fields_only():
    _, document = operation("GET", "/x", get_thing)
    schema = document["components"]["schemas"]["ThingOut"]
    assert schema["required"] == ["id", "title"]
    assert schema["properties"]["title"] == {"type": "string", "default": "a field of that name"}
    assert "title" not in schema


def test_a_parameter_is_never_null():
    async def list_things(name: str | None = None) -> ThingOut: ...

    (parameter,) = operation("GET", "/x", list_things)[0]["parameters"]
    assert parameter["schema"] == {"type": "string"}


def test_every_operation_of_ours_has_a_tag_an_id_of_its_own_and_no_page_is_among_them():
    document = json.loads(FILE.read_text())
    said = [each for methods in document["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in said]
    assert len(ids) == len(set(ids)) > 30
    for each in said:
        assert re.fullmatch(r"[a-z]+_[a-z][A-Za-z]*", each["operationId"])
        assert len(each["tags"]) == 1
    html = [path for path in document["paths"] if not path.startswith(("/api/", "/health/"))]
    assert html == []


def test_nothing_that_runs_makes_the_description():
    """The module that does is not even loaded."""
    code = "import sys, services.embedded; sys.exit('services.api.openapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_the_description_is_served_to_everybody_as_it_is_in_the_file(client):
    first, second = [await client.get("/openapi.json") for _ in range(2)]
    assert first.status_code == 200
    assert first.content == second.content == FILE.read_bytes()
    assert first.headers["content-type"] == "application/json"
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["cache-control"] == "public, no-cache"


async def test_who_has_the_description_already_does_not_get_it_again(client):
    etag = (await client.get("/openapi.json")).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await client.get("/openapi.json", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    other = await client.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
