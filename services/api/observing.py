"""Every request belongs to a trace, is counted, and its answer names the trace.

A caller that sends a W3C ``traceparent`` gets its own trace continued. ``X-Request-Id`` is the
trace's id, under which all services log what the request caused.
"""

import time
from contextlib import ExitStack
from http import HTTPMethod

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cassini.runtime.tracing import Kind, Span, trace, trace_id_of
from services.api.context import ApiContext

_RESOURCE = "resource_id"


class Observed:
    """Traces and measures requests (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the answer's beginning is what is counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api: ApiContext | None = scope["app"].state.api
        method = scope["method"] if scope["method"] in HTTPMethod.__members__ else "other"
        with ExitStack() as around:
            if api is not None:
                around.enter_context(api.instruments.active())
            parent = Headers(scope=scope).get("traceparent")
            span = around.enter_context(trace(method, Kind.SERVER, parent=parent))
            around.callback(structlog.contextvars.unbind_contextvars, _RESOURCE)
            began = time.perf_counter()

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    headers["X-Request-Id"] = trace_id_of(span.traceparent)
                    route, status = _route_of(scope), int(message["status"])
                    _describe(span, method, route, status)
                    if api is not None:
                        took, metrics = time.perf_counter() - began, api.instruments.metrics
                        metrics.observe("cassini_http_request_seconds", took, method, route)
                        metrics.count("cassini_http_requests_total", method, route, str(status))
                await send(message)

            await self._app(scope, receive, answer)


async def name_resource(request: Request) -> None:
    """Let log lines name the resource that a route is about (an app-wide dependency)."""
    own_id = next((name for name in request.path_params if name.endswith("_id")), None)
    if own_id is not None:
        structlog.contextvars.bind_contextvars(**{_RESOURCE: request.path_params[own_id]})


def _route_of(scope: Scope) -> str:
    """Return the template of the address; one word for all that there are none of."""
    return getattr(scope.get("route"), "path_format", "unmatched")


def _describe(span: Span, method: str, route: str, status: int) -> None:
    span.rename(f"{method} {route}")
    span.tell("http.request.method", method)
    span.tell("http.route", route)
    span.tell("http.response.status_code", status)
    if status >= 500:  # noqa: PLR2004 - the servers' own faults, by HTTP's first digit
        span.fail(str(status))
