"""Errors become answers here and nowhere else: one table, one body ``{"message", "code"}``.

The official clients print ``message``; ``code`` is for machines. What was not foreseen answers
500 with the trace's id, under which the log tells the rest; the answer itself tells nothing of it.
"""

import errno
import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cassini.runtime.errors import (
    BackendError,
    CallerError,
    CassiniError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OverQuota,
    Retry,
    Unauthenticated,
)
from cassini.runtime.tracing import current_trace_id

STATUS: dict[type[CassiniError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    OverQuota: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    CallerError: HTTPStatus.BAD_REQUEST,
    Retry: HTTPStatus.TOO_MANY_REQUESTS,
    BackendError: HTTPStatus.SERVICE_UNAVAILABLE,
    CassiniError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The answer's status of each error; the nearest class in an error's line of descent counts."""

_ROUTER_SAYS = {
    400: ("bad_request", "the body cannot be read: send JSON"),
    404: ("not_found", "there is no such address here"),
    405: ("method_not_allowed", "this address does not know that method"),
    413: ("body_too_large", "the body is too large"),
}
_RETRY_SECONDS = 5
_SHOWN_PROBLEMS = 5
_DISK_FULL = ("disk is full", "no space left", "could not extend file")

log = structlog.get_logger(__name__)


def error_response(
    status: int, message: str, code: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the body that every answer other than 2xx and 3xx has.

    It is ASCII, so that it can carry back whatever a client sent, half a surrogate pair too.
    """
    extra = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra.setdefault("Retry-After", str(_RETRY_SECONDS))
    body = json.dumps({"message": message, "code": code})
    return Response(body, status, headers=extra, media_type="application/json")


def answer(error: Exception) -> Response:
    """Return the answer that an error deserves, and log what the caller need not know."""
    if isinstance(error, CassiniError):
        return _foreseen(error)
    if isinstance(error, RequestValidationError):
        return error_response(HTTPStatus.BAD_REQUEST, _problems(error), _problem_code(error))
    if isinstance(error, HTTPException):
        code, message = _ROUTER_SAYS.get(error.status_code, ("refused", str(error.detail)))
        return error_response(error.status_code, message, code, error.headers)
    if (trouble := _outside_trouble(error)) is not None:
        return trouble
    number = current_trace_id()
    log.error("a request failed", error_id=number, exc_info=error)
    message = f"something went wrong here; the log tells more under the number {number}"
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, message, "internal_error")


class Failures:
    """Answers what no handler took, in place of Starlette's plain text (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and answer for it when that fails."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            await answer(error)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Make an app answer all errors in our form."""

    async def handle(request: Request, error: Exception) -> Response:
        response = answer(error)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = _allowed_methods(request)
        return response

    for kind in (CassiniError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_middleware(Failures)


def status_of(error: CassiniError) -> HTTPStatus:
    """Return the status that an error answers with."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _allowed_methods(request: Request) -> str:
    """Return the methods of an address, of all its routes: the router tells those of one.

    The first path that fits is the address's own: ``/workspaces/info`` is no workspace.
    """
    path = request.scope["path"]
    routes = list(iter_route_contexts(request.app.routes))
    own = next(route.path_format for route in routes if route.path_regex.match(path))
    same = (route.methods or () for route in routes if route.path_format == own)
    return ", ".join(sorted({method for methods in same for method in methods}))


def _foreseen(error: CassiniError) -> Response:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a request failed", code=error.code, reason=error.message, **error.context)
    after = getattr(error, "after", None)
    headers = {} if after is None else {"Retry-After": str(max(1, round(after)))}
    return error_response(status, error.message, error.code, headers)


def _problems(error: RequestValidationError) -> str:
    problems = error.errors()
    shown = [_problem(each["loc"], each["msg"]) for each in problems[:_SHOWN_PROBLEMS]]
    rest = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest > 0 else "")


def _problem(where: tuple[str | int, ...], what: str) -> str:
    path = ".".join(str(part)[:60] for part in where[1:]) if len(where) > 1 else str(where[0])
    return f"{path}: {what[:1].lower()}{what[1:]}"


def _problem_code(error: RequestValidationError) -> str:
    is_json = any(each["type"] == "json_invalid" for each in error.errors())
    return "bad_json" if is_json else "invalid_fields"


def _outside_trouble(error: Exception) -> Response | None:
    """Answer for a database that is away or full, or refuses what was to be written."""
    if isinstance(error, IntegrityError) and _was_outrun(error):
        return error_response(
            HTTPStatus.CONFLICT, "another request was faster: look and try again", "conflict"
        )
    if isinstance(error, DataError):
        return error_response(
            HTTPStatus.BAD_REQUEST, "a value does not fit into its field", "invalid"
        )
    if isinstance(error, IntegrityError) or not isinstance(
        error, DBAPIError | PoolTimeout | OSError
    ):
        return None
    text = str(getattr(error, "orig", error)).lower()
    full = getattr(error, "errno", None) == errno.ENOSPC or any(
        words in text for words in _DISK_FULL
    )
    if full:
        log.error("the disk is full", reason=text)
        message = "the disk of the platform is full: an admin must make room"
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, message, "disk_full")
    if _is_away(error):
        log.error("the database is away", reason=text)
        message = "the database does not answer: try again in a moment"
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, message, "database_away")
    return None


def _was_outrun(error: IntegrityError) -> bool:
    """Whether somebody took the name, or removed what this belongs to, in the meantime."""
    text = str(error.orig).lower()
    return "unique" in text or "foreign key" in text


def _is_away(error: Exception) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    away = (OperationalError, InterfaceError, PoolTimeout, ConnectionError, TimeoutError)
    return isinstance(error, away)
