"""The description of this API, made from its routes when Cassini is built, never while it runs.

``describe`` takes what FastAPI knows of the routes and adds by rule what it does not: the
operation's id, who may call, and every error an operation can answer. Nothing of this is written
at a route. The result is the file ``openapi.json`` beside this one (``make docs``), which
``published.py`` serves; a test compares the two, so that a review shows every change of the API.

The rules of errors: 400 everywhere, since any text that is sent can be wrong; 401 and 403 where
somebody must be known, and where one proves who one is; 404 where something is named, in the path,
the query or the body; 409 where something is written, or opened, which is for what runs only; 413
and 415 with a body; 429 where a password could be guessed and where a stream is held open; 503
where the database is asked.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from services.api.access import Action, action_of
from services.api.auth.authentication import find_caller
from services.api.auth.sessions import cookie_name
from services.api.context import find_context
from services.api.wire import without_null

_OPENAPI_VERSION = "3.1.0"
_DESCRIPTION = (
    "The HTTP API of Cassini. It speaks the Saturn Cloud API; what Cassini has beside it stands in "
    "`docs/compatibility.md`. Every answer that is not 2xx or 3xx is an `Error`."
)
_ERROR = "Error"
_ERRORS = {
    400: ("BadRequest", "Something that was sent is not right; the message says what."),
    401: ("Unauthenticated", "Nobody known is calling, or what was shown does not count."),
    403: ("Forbidden", "The caller may not do this."),
    404: ("NotFound", "There is no such thing, or the caller may not see it."),
    409: ("Conflict", "It does not go together with what is there now."),
    413: ("BodyTooLarge", "The body is too large."),
    415: ("NoContentType", "The body has no Content-Type."),
    429: ("TooManyTries", "There were too many tries; the header Retry-After says how to go on."),
    503: ("Unavailable", "A part of the platform is away; the header Retry-After says how long."),
}
_SCHEMES = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "tokenAuth": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "An API token as the official clients send it: `token <token>`.",
    },
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookie_name("https:"),
        "description": "A signed-in browser; without TLS the cookie is named "
        f"`{cookie_name('http:')}`. What changes something also needs the platform's own `Origin`.",
    },
}
_STREAM = "text/event-stream"
_REDIRECTS = frozenset({"302", "303", "307"})
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SAME_VERB = {"post": "create", "patch": "update", "change": "update"}
"""The contract's verbs for those that functions have."""
_NAMING = frozenset({"owner", "owner_name", "identity"})
"""Fields beside those ending in ``_id`` that name something which may not be there."""


def written(app: FastAPI) -> str:
    """Return the description of an app's routes as the file has it."""
    return json.dumps(describe(app), indent=2, ensure_ascii=False) + "\n"


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of an app's routes.

    Raises:
        ValueError: two operations have the same id, or one has no tag to make its id from.
    """
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=_OPENAPI_VERSION,
        description=_DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["schemas"] = _with_error(components.get("schemas", {}))
    ids: Counter[str] = Counter()
    for route in _described(app):
        for method in route.methods:
            operation = document["paths"][route.path_format][method.lower()]
            _complete(operation, route, method, components["schemas"])
            ids[operation["operationId"]] += 1
    if twice := [each for each, count in ids.items() if count > 1]:
        raise ValueError(f"several operations have one id: {', '.join(twice)}")
    components["responses"] = {name: _error_response(text) for name, text in _ERRORS.values()}
    components["securitySchemes"] = _SCHEMES
    return document | {"paths": _tidied(document["paths"]), "components": _tidied(components)}


def operation_id(route: Any) -> str:
    """Return an operation's id: the one it is given, else ``<tag>_<verb>`` made from its function.

    The function's name loses the noun of its tag: ``list_workspaces`` under the tag ``workspaces``
    is ``workspaces_list``, ``get_pod_logs`` under ``active`` is ``active_getPodLogs``.

    Raises:
        ValueError: the route has no tag, or its function's name is nothing but the noun.
    """
    if route.operation_id:
        return str(route.operation_id)
    nouns = str(route.tags[0]).split("_") if route.tags else []
    spoken = {*nouns, *(noun.removesuffix("s") for noun in nouns)}
    words = [word for word in route.name.split("_") if word not in spoken]
    if not nouns or not words:
        raise ValueError(f"the route {route.path_format} needs a tag and a verb, or operation_id=…")
    verb = _SAME_VERB.get(words[0], words[0])
    return "".join([*nouns, "_", verb, *(word.capitalize() for word in words[1:])])


def _described(app: FastAPI) -> Iterator[Any]:
    """Yield the routes that the description has, as their routers mount them."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.include_in_schema:
            yield context


def _complete(
    operation: dict[str, Any], route: Any, method: str, schemas: Mapping[str, Any]
) -> None:
    """Add to an operation what FastAPI does not know."""
    operation["operationId"] = operation_id(route)
    operation["security"] = _security(route)
    for parameter in operation.get("parameters", ()):
        # Null cannot be said in an address; the description stands beside the schema already.
        parameter["schema"] = without_null(parameter["schema"])
        parameter["schema"].pop("description", None)
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own: a wrong field is 400 here
    for status in responses.keys() & _REDIRECTS:
        responses[status].pop("content", None)  # FastAPI thinks of JSON
    for error in sorted(_errors(route, method, operation, schemas)):
        name, _ = _ERRORS[error]
        responses.setdefault(str(error), {"$ref": f"#/components/responses/{name}"})


def _security(route: Any) -> list[dict[str, list[str]]]:
    """Return the ways to show who is calling; an empty one where nobody needs to."""
    ways: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
    if action_of(route) is not Action.OPEN:
        return ways
    return [{}, *ways] if _needs(route.dependant, find_caller) else []


def _errors(
    route: Any, method: str, operation: dict[str, Any], schemas: Mapping[str, Any]
) -> set[int]:
    """Return the statuses of the errors that an operation can answer."""
    errors = {400}
    signs_in = method == "POST" and "authorization" in operation.get("tags", ())
    if operation["security"] or signs_in:
        errors |= {401, 403}
    if signs_in or _STREAM in operation["responses"].get("200", {}).get("content", {}):
        errors.add(429)
    said = _said(operation, schemas)
    if "{" in route.path_format or any(name in _NAMING or name.endswith("_id") for name in said):
        errors.add(404)
    if method in _WRITING or action_of(route) is Action.REVEAL:
        errors.add(409)
    if "requestBody" in operation:
        errors |= {413, 415}
    if operation["security"] or _needs(route.dependant, find_context):
        errors.add(503)
    return errors


def _needs(dependant: Dependant, call: object) -> bool:
    """Whether a route or what it depends on asks for this dependency."""
    return any(each.call is call or _needs(each, call) for each in dependant.dependencies)


def _said(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of an operation's parameters, and of all fields of its body."""
    yield from (parameter["name"] for parameter in operation.get("parameters", ()))
    waiting = [operation.get("requestBody", {}).get("content", {})]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield from node.get("properties", {})
            waiting += node.values()
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                waiting.append(schemas[name])


def _with_error(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas with ours of an error in place of FastAPI's two."""
    text = {"type": "string"}
    error = {
        "type": "object",
        "description": "What every answer other than 2xx and 3xx has.",
        "properties": {
            "message": text | {"description": "What happened and what to do, for people."},
            "code": text | {"description": "The same for machines."},
        },
        "required": ["message", "code"],
    }
    ours = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    return ours | {_ERROR: error}


def _error_response(text: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_ERROR}"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _tidied(node: Any) -> Any:
    """Return a part of the description without pydantic's titles, and with 1 for FastAPI's 1.0."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, dict):
        return node
    return {
        name: _tidied(value)
        for name, value in node.items()
        if not (name == "title" and isinstance(value, str))
    }
