"""Users, orgs and owners over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlmodel import col, func, select

from cassini.runtime.errors import Conflict
from services.api.access import Action, access, require
from services.api.auth.authentication import find_caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import Org, OwnerRow, User
from services.api.context import ContextDep
from services.api.paging import PageDep, paginate
from services.api.people.accounts import create_user
from services.api.people.owners import owners_by_id
from services.api.people.schemas import (
    OrgList,
    OrgOut,
    OwnerDetailedOut,
    UserCreate,
    UserCreatedOut,
    UserDetailedOut,
    UserList,
    UserOut,
    UserOwnerList,
)

router = APIRouter(prefix="/api")


@router.get(
    "/user",
    tags=["current_user"],
    openapi_extra=access(Action.OPEN),
    response_model=UserDetailedOut,
    responses={204: {"description": "No authenticated user"}},
)
async def get_current_user(request: Request, api: ContextDep) -> UserDetailedOut | Response:
    """Get the current user; 204 when nobody is signed in."""
    caller = await find_caller(request)
    if caller is None:
        return Response(status_code=204)
    async with api.database.read() as session:
        user = (await session.exec(select(User).where(col(User.id) == caller.user_id))).one()
    return UserDetailedOut.of(user)


@router.get("/user/owners", tags=["current_user"], openapi_extra=access(Action.KNOW))
async def list_current_owners(caller: CallerDep, api: ContextDep, page: PageDep) -> UserOwnerList:
    """List the owners that the caller may act as, across orgs."""
    async with api.database.read() as session:
        query = select(OwnerRow).where(col(OwnerRow.id).in_(caller.owner_ids))
        found = await paginate(session, query, page, OwnerRow)
        names = await owners_by_id(session, [row.id for row in found.rows])
        orgs_query = select(Org).where(col(Org.id).in_({row.org_id for row in found.rows}))
        orgs = {org.id: org for org in await session.exec(orgs_query)}
        user = (await session.exec(select(User).where(col(User.id) == caller.user_id))).one()
    owners = [
        OwnerDetailedOut.with_parts(names[row.id], orgs[row.org_id], user) for row in found.rows
    ]
    return UserOwnerList(owners=owners, **found.keys())


@router.get("/users", tags=["users"], openapi_extra=access(Action.ACCOUNT))
async def list_users(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    username: Annotated[str | None, Query(max_length=255)] = None,
    email: Annotated[str | None, Query(max_length=320)] = None,
    details: bool = False,
) -> UserList:
    """List users; details and the search by e-mail are for admins."""
    if details or email:
        require(caller, Action.ADMIN)
    query = select(User)
    if username:
        query = query.where(col(User.username).contains(username.lower(), autoescape=True))
    if email:
        query = query.where(col(User.email).icontains(email, autoescape=True))
    async with api.database.read() as session:
        found = await paginate(session, query, page, User)
    shape = UserDetailedOut if details else UserOut
    return UserList(users=[shape.of(user) for user in found.rows], **found.keys())


@router.post("/users", tags=["users"], status_code=201, openapi_extra=access(Action.ADMIN))
async def post_user(caller: CallerDep, api: ContextDep, body: UserCreate) -> UserCreatedOut:
    """Make a user; sign-in links come from the command line, as no mail is sent."""
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


@router.get("/orgs", tags=["orgs"], openapi_extra=access(Action.KNOW))
async def list_orgs(
    api: ContextDep,
    page: PageDep,
    name: Annotated[str | None, Query(max_length=255)] = None,
) -> OrgList:
    """List the orgs; everybody is a member of the one there is."""
    query = select(Org)
    if name:
        query = query.where(col(Org.name).contains(name.lower(), autoescape=True))
    async with api.database.read() as session:
        found = await paginate(session, query, page, Org)
    return OrgList(orgs=[OrgOut.of(org) for org in found.rows], **found.keys())
