"""Signing in with a password, signing out, and setting a password, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints
from sqlalchemy import update
from sqlmodel import col, select

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Forbidden
from services.api.access import Action, access
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import User
from services.api.auth.origin import is_cross_site
from services.api.auth.passwords import LONGEST, hash_password, is_password
from services.api.auth.sessions import (
    clear_cookie,
    end_other_sessions,
    end_session,
    session_secret,
    set_cookie,
)
from services.api.auth.sign_in import sign_in_by_password
from services.api.auth.throttle import address_of, count_try, take_back
from services.api.context import ApiContext, ContextDep
from services.api.people.accounts import audit
from services.api.wire import WireIn

router = APIRouter(prefix="/api/auth", tags=["authorization"])

_Password = Annotated[str, StringConstraints(max_length=LONGEST)]


class Login(WireIn):
    """What signs a person in."""

    username: Annotated[str, StringConstraints(max_length=255)]
    password: _Password


class PasswordChange(WireIn):
    """A new password, and the present one where there is one."""

    password: _Password
    current_password: _Password | None = None


@router.post(
    "/login",
    status_code=204,
    operation_id="authorization_login",
    openapi_extra=access(Action.OPEN),
)
async def post_login(request: Request, api: ContextDep, body: Login) -> Response:
    """Create a new browser session."""
    address = address_of(request)
    secret = await sign_in_by_password(api, body.username, body.password, address=address)
    response = Response(status_code=204)
    set_cookie(response, secret, api.settings.url)
    return response


@router.get(
    "/logout",
    status_code=302,
    operation_id="authorization_logout",
    openapi_extra=access(Action.OPEN),
)
async def get_logout(request: Request, api: ContextDep) -> Response:
    """End the current browser session.

    The contract makes this a GET, which any page can cause: a browser that says that another
    site's page did so is sent to our page with its session as it was.
    """
    response = Response(status_code=302, headers={"Location": "/"})
    secret = session_secret(request, api.settings.url)
    if secret is not None and not is_cross_site(request):
        async with api.database.write() as session:
            await end_session(session, secret)
        clear_cookie(response, api.settings.url)
    return response


@router.post("/password", status_code=204, openapi_extra=access(Action.ACCOUNT))
async def post_password(
    request: Request, caller: CallerDep, api: ContextDep, body: PasswordChange
) -> None:
    """Set one's own password; all other sessions of the account end."""
    await change_password(request, caller, api, body)


async def change_password(
    request: Request, caller: Caller, api: ApiContext, change: PasswordChange
) -> None:
    """Set the caller's password and end all other sessions of the account.

    Raises:
        Forbidden: the caller shows a token, or the present password is wrong.
        Invalid: the new one is too short or too long.
        Retry: the present password was guessed wrong too often.
    """
    if caller.via != "session":
        raise Forbidden("a password is set in a signed-in browser, not with a token")
    address = address_of(request)
    async with api.database.write() as session:
        await count_try(session, caller.username, address, now=api.clock.now())
        user = (await session.exec(select(User).where(col(User.id) == caller.user_id))).one()
    if user.password_hash is not None and not await is_password(
        user.password_hash, change.current_password or ""
    ):
        raise Forbidden("the present password is wrong", code="wrong_password")
    new_hash = await hash_password(change.password)
    async with api.database.write() as session:
        await take_back(session, caller.username, address)
        where = col(User.id) == caller.user_id
        await session.execute(update(User).where(where).values(password_hash=new_hash))
        secret = session_secret(request, api.settings.url)
        await end_other_sessions(session, caller.user_id, secret)
        after_commit(session, lambda: audit.info("password set", user=caller.username))
