"""What a service answers while it is not up yet, and from then on."""

import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cassini.runtime.scrape import CONTENT_TYPE
from cassini.runtime.service import Health

_RETRY_SECONDS = "2"

HealthCheck = Callable[[], Awaitable[Health]]
Metrics = Callable[[], Awaitable[bytes]]


class Door:
    """An application that says why it does not answer yet, until it is opened."""

    def __init__(self, why: Callable[[], str]) -> None:
        self._why = why
        self._app: ASGIApp | None = None

    def open(self, app: ASGIApp | None) -> None:
        """Answer with this application; None: not any more."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        app = self._app or self._not_yet()
        await app(scope, receive, send)

    def _not_yet(self) -> ASGIApp:
        body = json.dumps({"message": f"Cassini is starting: {self._why()}", "code": "starting"})
        headers = {"Retry-After": _RETRY_SECONDS}
        return Response(
            body, HTTPStatus.SERVICE_UNAVAILABLE, headers=headers, media_type="application/json"
        )


def internal_app(
    health: HealthCheck, metrics: Metrics, routes: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """Return what probes, Prometheus and other services ask."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        found = await health()
        if found.ready:
            return JSONResponse({"status": "ok"})
        body = {"message": found.reason or "not ready yet", "code": "not_ready"}
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE)

    async def prometheus(_request: Request) -> Response:
        return Response(await metrics(), media_type=CONTENT_TYPE)

    probes = [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/metrics", prometheus),
    ]
    return Starlette(routes=[*probes, *routes])
