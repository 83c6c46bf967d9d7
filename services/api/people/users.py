"""``/api/users``: who is here."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from cassini.runtime.errors import Conflict
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import OwnerRow, User
from services.api.context import ContextDep
from services.api.paging import PageDep, paginate
from services.api.people.accounts import create_user, refuse_limits
from services.api.people.changes import change_user, remove_user, visible_account
from services.api.people.listing import page_of_owners
from services.api.people.owners import orgs_of
from services.api.people.schemas import (
    OwnerDetailedList,
    UserCreate,
    UserCreatedOut,
    UserDetailedList,
    UserDetailedOut,
    UserList,
    UserOut,
    UserUpdate,
)

router = APIRouter(prefix="/api/users", tags=["users"])


@router.get("", openapi_extra=access(Action.ACCOUNT))
async def list_users(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    username: Annotated[str | None, Query(max_length=255)] = None,
    email: Annotated[str | None, Query(max_length=320)] = None,
    details: bool = False,
) -> UserList | UserDetailedList:
    """List users; details and the search by e-mail are for admins."""
    if details or email:
        require(caller, Action.ADMIN)
    query = _visible(caller)
    if username:
        query = query.where(col(User.username).contains(username.lower(), autoescape=True))
    if email:
        query = query.where(col(User.email).icontains(email, autoescape=True))
    async with api.database.read() as session:
        found = await paginate(session, query, page, User)
    if details:
        detailed = [UserDetailedOut.of(user) for user in found.rows]
        return UserDetailedList(users=detailed, **found.keys())
    return UserList(users=[UserOut.of(user) for user in found.rows], **found.keys())


@router.post("", status_code=201, openapi_extra=access(Action.ADMIN))
async def post_user(caller: CallerDep, api: ContextDep, body: UserCreate) -> UserCreatedOut:
    """Make a user; sign-in links come from the command line, as no mail is sent."""
    refuse_limits(body.limits_id)
    async with api.database.write() as session:
        if body.prevent_duplicate_emails:
            same = select(col(User.id)).where(func.lower(User.email) == body.email.lower())
            if (await session.exec(same)).first() is not None:
                raise Conflict("another user has this e-mail address", code="email_exists")
        made = await create_user(
            session,
            body.username,
            now=api.clock.now(),
            email=body.email,
            full_name=body.full_name,
            is_admin=body.admin,
            locked=body.locked,
            by=caller.username,
        )
    shown = UserDetailedOut.of(made.user).model_dump()
    return UserCreatedOut(**shown, notice=made.notice)


@router.get("/{user_id}", openapi_extra=access(Action.ACCOUNT))
async def get_user(
    caller: CallerDep, api: ContextDep, user_id: str, details: bool = False
) -> UserDetailedOut | UserOut:
    """Get a user; details are for admins and the user themselves."""
    if details and user_id != caller.user_id:
        require(caller, Action.ADMIN)
    async with api.database.read() as session:
        query = _visible(caller).where(col(User.id) == user_id)
        user = (await session.exec(query)).one_or_none()
    if user is None:
        raise missing("user")
    return UserDetailedOut.of(user) if details else UserOut.of(user)


@router.patch("/{user_id}", openapi_extra=access(Action.ACCOUNT))
async def patch_user(
    caller: CallerDep, api: ContextDep, user_id: str, body: UserUpdate
) -> UserDetailedOut:
    """Change a user: oneself, or as an admin anybody."""
    async with api.database.write() as session:
        user = await change_user(session, caller, user_id, body)
    return UserDetailedOut.of(user)


@router.delete("/{user_id}", status_code=204, openapi_extra=access(Action.ADMIN))
async def delete_user(caller: CallerDep, api: ContextDep, user_id: str) -> None:
    """Delete a user to whom nothing belongs any more."""
    if user_id == caller.user_id:
        raise Conflict("this is your own account: DELETE /api/user deletes it", code="own_account")
    async with api.database.write() as session:
        await remove_user(session, api, caller, user_id)


@router.get(
    "/{user_id}/owners",
    operation_id="users_listOwners",
    openapi_extra=access(Action.ACCOUNT),
)
async def list_user_owners(
    caller: CallerDep, api: ContextDep, page: PageDep, user_id: str
) -> OwnerDetailedList:
    """List the owners that a user may act as: one's own, or as an admin anybody's."""
    async with api.database.read() as session:
        user = await visible_account(session, caller, user_id)
        owners = select(col(OwnerRow.id)).where(col(OwnerRow.user_id) == user.id)
        return await page_of_owners(session, page, (await session.exec(owners)).all())


def _visible(caller: Caller) -> SelectOfScalar[User]:
    """Select the users that share an org with the caller; for an admin all."""
    if caller.is_admin:
        return select(User)
    here = select(col(OwnerRow.user_id)).where(col(OwnerRow.org_id).in_(orgs_of(caller)))
    return select(User).where(col(User.id).in_(here))
