"""Two plain pages without scripts: sign in, and what is mine.

The sign-in link opens a page with one button, because programs that preview links would use it
up. Nothing of another origin is loaded, and no other page may frame these.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse

from cassini.runtime.errors import CassiniError, Invalid
from services.api.access import Action, access
from services.api.auth.authentication import find_caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.origin import require_own_origin
from services.api.auth.sessions import set_cookie
from services.api.auth.sign_in import sign_in_by_link, sign_in_by_password
from services.api.auth.throttle import address_of
from services.api.context import ContextDep
from services.api.errors import status_of
from services.api.people.sign_in import Login, PasswordChange, change_password
from services.api.requests import check_text

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_MOST_FIELDS = 8

_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)


@router.get("/", openapi_extra=access(Action.OPEN))
async def get_home(request: Request, api: ContextDep) -> Response:
    """Show who is signed in and what is theirs, or how to sign in."""
    try:
        caller = await find_caller(request)
    except CassiniError as error:
        return _sign_in_page(status_of(error), problem=error.message)
    if caller is None:
        return _sign_in_page(200)
    async with api.database.read() as session:
        workspaces = await api.workspaces_of(session, caller)
    return _page("home.html", 200, caller=caller, workspaces=workspaces, url=api.settings.url)


@router.get("/sign-in", openapi_extra=access(Action.OPEN))
async def get_sign_in(code: str = "") -> Response:
    """Show the button that uses a sign-in link."""
    return _sign_in_page(200, code=code)


@router.post("/sign-in", openapi_extra=access(Action.OPEN))
async def post_sign_in(request: Request, api: ContextDep) -> Response:
    """Sign in with a link's code, or with a user name and a password."""
    try:
        require_own_origin(request, api.settings.url)
        form = await _form(request)
        if "code" in form:
            secret = await sign_in_by_link(api, form["code"])
        else:
            login = Login.model_validate(form)
            address = address_of(request)
            secret = await sign_in_by_password(api, login.username, login.password, address=address)
    except CassiniError as error:
        return _sign_in_page(status_of(error), problem=error.message)
    except ValidationError:
        return _sign_in_page(400, problem="give a user name and a password")
    response = RedirectResponse("/", status_code=303)
    set_cookie(response, secret, api.settings.url)
    return response


@router.post("/password", openapi_extra=access(Action.ACCOUNT))
async def post_password(request: Request, caller: CallerDep, api: ContextDep) -> Response:
    """Set one's own password."""
    try:
        form = await _form(request)
        change = PasswordChange.model_validate(
            {"password": form.get("password", ""), "current_password": form.get("current")}
        )
        await change_password(request, caller, api, change)
    except CassiniError as error:
        return _page("done.html", status_of(error), done=error.message)
    except ValidationError:
        return _page("done.html", 400, done="the password is too long")
    return _page("done.html", 200, done="The password is set. Other browsers were signed out.")


def _page(name: str, status: int, **shown: Any) -> Response:
    content = _pages.get_template(name).render(style=_STYLE, **shown)
    return HTMLResponse(content, status, headers=_HEADERS)


def _sign_in_page(status: int, *, problem: str = "", code: str = "") -> Response:
    return _page("sign_in.html", status, problem=problem, code=code)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form.

    Raises:
        Invalid: it is no form, or holds text that could not be kept.
    """
    try:
        fields = parse_qs((await request.body()).decode(), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("the form cannot be read") from None
    form = {name: values[0] for name, values in fields.items()}
    for text in form.values():
        check_text(text, "the form")
    return form
