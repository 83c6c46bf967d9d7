"""What a request must be before anybody looks at what it asks for.

Three rules, all about text that a browser or a database would take wrong: a body without a
Content-Type needs an ``Authorization`` header (any page can make a browser send one), the body
has at most 1 MiB, and no text holds a NUL or half a surrogate pair (PostgreSQL refuses both).
"""

import math
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cassini.runtime.errors import Invalid
from services.api.errors import error_response

LONGEST_BODY = 1024 * 1024
_LONGEST_LENGTH = 12  # digits of a Content-Length worth reading
_CLOSE = {"Connection": "close"}


class BodyRules:
    """Reads the body, up to the limit, and refuses what may not go on (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request's body and pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            body = None if _says_too_long(headers) else await _read(receive)
        except ClientDisconnect:
            return  # half a body must not count as a whole one, and nobody waits for an answer
        if body is None:
            message = f"the body is larger than {LONGEST_BODY // 1024} KiB"
            answer = error_response(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, "body_too_large", _CLOSE
            )
            await answer(scope, receive, send)
        elif body and "content-type" not in headers and "authorization" not in headers:
            message = "say what the body is: send the header 'Content-Type: application/json'"
            status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            await error_response(status, message, "content_type_required")(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)


def _says_too_long(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return not (length.isdecimal() and len(length) <= _LONGEST_LENGTH) or int(length) > LONGEST_BODY


async def _read(receive: Receive) -> bytes | None:
    """Return the body; None when it is too long.

    Raises:
        ClientDisconnect: the client left before its end.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def refuse_bad_text(request: Request) -> None:
    """Refuse text that no database could keep (an app-wide dependency).

    Raises:
        Invalid: the path, the query or the JSON body holds such text.
    """
    for text in (request.url.path, *request.path_params.values(), *request.query_params.values()):
        check_text(text, "the address")
    if await request.body() and _is_json(request):
        try:
            content = await request.json()
        except (ValueError, RecursionError):
            return  # a route that wants JSON has refused it before this
        _check_all(content)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    return kind.lower() == "application/json" or kind.lower().endswith("+json")


def _check_all(content: Any) -> None:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            check_text(value, "the body")
        elif isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise Invalid("the body holds a number that is not finite", code="bad_json")


def check_text(text: object, where: str) -> None:
    """Refuse one text that no database could keep.

    Raises:
        Invalid: it holds a NUL or half of a surrogate pair.
    """
    if not isinstance(text, str):
        return
    if "\0" in text:
        raise Invalid(f"{where} holds a NUL character", code="bad_text")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Invalid(f"{where} holds half of a surrogate pair", code="bad_text")
