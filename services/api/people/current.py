"""``/api/user``: who is calling, as whom they may act, and what they prefer."""

from fastapi import APIRouter, Request, Response
from sqlmodel import col, select

from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep, MaybeCallerDep
from services.api.auth.models import User
from services.api.auth.sessions import clear_cookie, session_secret
from services.api.context import ContextDep
from services.api.paging import PageDep
from services.api.people.changes import change_user, remove_user
from services.api.people.listing import page_of_owners
from services.api.people.preferences import change_preferences, preferences_of
from services.api.people.schemas import (
    OwnerDetailedList,
    PreferencesOut,
    PreferencesUpdate,
    UserDetailedOut,
    UserUpdate,
)

router = APIRouter(prefix="/api/user", tags=["current_user"])


@router.get(
    "",
    openapi_extra=access(Action.OPEN),
    response_model=UserDetailedOut,
    responses={204: {"description": "No authenticated user"}},
)
async def get_current_user(caller: MaybeCallerDep, api: ContextDep) -> UserDetailedOut | Response:
    """Get the current user; 204 when nobody is signed in."""
    if caller is None:
        return Response(status_code=204)
    async with api.database.read() as session:
        user = (await session.exec(select(User).where(col(User.id) == caller.user_id))).one()
    return UserDetailedOut.of(user)


@router.patch("", openapi_extra=access(Action.ACCOUNT))
async def patch_current_user(
    caller: CallerDep, api: ContextDep, body: UserUpdate
) -> UserDetailedOut:
    """Change one's own account."""
    async with api.database.write() as session:
        user = await change_user(session, caller, caller.user_id, body)
    return UserDetailedOut.of(user)


@router.delete("", status_code=204, openapi_extra=access(Action.ACCOUNT))
async def delete_current_user(request: Request, caller: CallerDep, api: ContextDep) -> Response:
    """Delete one's own account, once nothing belongs to it any more."""
    async with api.database.write() as session:
        await remove_user(session, api, caller, caller.user_id)
    response = Response(status_code=204)
    if session_secret(request, api.settings.url) is not None:
        clear_cookie(response, api.settings.url)
    return response


@router.get("/owners", openapi_extra=access(Action.KNOW))
async def list_current_owners(
    caller: CallerDep, api: ContextDep, page: PageDep
) -> OwnerDetailedList:
    """List the owners that the caller may act as, across orgs."""
    async with api.database.read() as session:
        return await page_of_owners(session, page, caller.owner_ids)


@router.get("/preferences", openapi_extra=access(Action.KNOW))
async def get_preferences(caller: CallerDep, api: ContextDep) -> PreferencesOut:
    """Get what the caller prefers."""
    async with api.database.read() as session:
        return await preferences_of(session, caller)


# saturn_client posts them; the contract has PATCH.
@router.post(
    "/preferences",
    operation_id="currentuser_setPreferences",
    openapi_extra=access(Action.ACCOUNT),
)
@router.patch("/preferences", openapi_extra=access(Action.ACCOUNT))
async def patch_preferences(
    caller: CallerDep, api: ContextDep, body: PreferencesUpdate
) -> PreferencesOut:
    """Set the org that is meant where none is named."""
    async with api.database.write() as session:
        return await change_preferences(session, caller, body)
