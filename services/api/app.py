"""The HTTP application: routers of all slices, and what holds for every request.

Outermost first: the trace that a request belongs to, headers that every answer carries, errors in
our form, rules for bodies, then routing; before each route the text is checked and the access rule
that the route names decides. A route that names none stops the app from being made.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cassini import __version__
from services.api import errors, health, metrics, published
from services.api.access import action_of, enforce
from services.api.context import ApiContext
from services.api.observing import Observed, name_resource
from services.api.pages import routes as pages
from services.api.people import current, grants, orgs, sign_in, tokens, users
from services.api.requests import BodyRules, refuse_bad_text
from services.api.resources.routes import ROUTERS as RESOURCE_ROUTERS
from services.api.version import SATURN_VERSION

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    published.router,
    sign_in.router,
    grants.router,
    current.router,
    users.router,
    orgs.router,
    tokens.router,
    *RESOURCE_ROUTERS,
    pages.router,
)
EMBEDDED_ROUTERS = (*ROUTERS, metrics.router)
"""Where all services are one process, and no port is for the inside alone."""


def create_app(api: ApiContext | None, routers: Sequence[APIRouter] = ROUTERS) -> FastAPI:
    """Return the application; without a context it can be described, and be given one later.

    Raises:
        ValueError: a route names no action of the access table.
    """
    app = FastAPI(
        title="Cassini",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        strict_content_type=False,
        redirect_slashes=False,
        dependencies=[Depends(name_resource), Depends(refuse_bad_text), Depends(enforce)],
    )
    app.state.api = api
    for router in routers:
        app.include_router(router)
    _check_access_rules(app)
    app.add_middleware(BodyRules)
    errors.install(app)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Observed)
    return app


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Return every route of an app, those of included routers too."""
    contexts = iter_route_contexts(app.routes)
    return [each.route for each in contexts if isinstance(each.route, APIRoute)]


class AnswerHeaders:
    """Adds the headers that every answer carries (ASGI middleware)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Saturn-Version"] = SATURN_VERSION
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


def _check_access_rules(app: FastAPI) -> None:
    bare = [route.path for route in routes_of(app) if action_of(route) is None]
    if bare:
        raise ValueError(f"routes without an access rule: {', '.join(sorted(bare))}")
