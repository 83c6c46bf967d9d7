"""``/api/orgs``: the orgs, and who is in them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from sqlalchemy import false
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Conflict
from services.api.access import Action, access, missing, require
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import Org, OwnerRow, User
from services.api.context import ContextDep
from services.api.paging import PageDep, paginate
from services.api.people.accounts import audit, refuse_limits
from services.api.people.listing import with_parts
from services.api.people.owners import OwnerOut, orgs_of, owners_by_id
from services.api.people.schemas import (
    OrgList,
    OrgOut,
    OrgUpdate,
    OwnerDetailedList,
    OwnerList,
)

router = APIRouter(prefix="/api/orgs", tags=["orgs"])


@router.get("", openapi_extra=access(Action.KNOW))
async def list_orgs(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    name: Annotated[str | None, Query(max_length=255)] = None,
    all_orgs: Annotated[bool, Query(description="Also those of others (for admins).")] = False,
) -> OrgList:
    """List the orgs that the caller is in."""
    query = select(Org)
    if all_orgs:
        require(caller, Action.ADMIN)
    else:
        query = query.where(col(Org.id).in_(orgs_of(caller)))
    if name:
        query = query.where(col(Org.name).contains(name.lower(), autoescape=True))
    async with api.database.read() as session:
        found = await paginate(session, query, page, Org)
    return OrgList(orgs=[OrgOut.of(org) for org in found.rows], **found.keys())


@router.get("/{org_id}", openapi_extra=access(Action.KNOW))
async def get_org(caller: CallerDep, api: ContextDep, org_id: str) -> OrgOut:
    """Get an org."""
    async with api.database.read() as session:
        return OrgOut.of(await _visible_org(session, caller, org_id))


@router.patch("/{org_id}", openapi_extra=access(Action.ORG))
async def patch_org(caller: CallerDep, api: ContextDep, org_id: str, body: OrgUpdate) -> OrgOut:
    """Change what is said about an org."""
    async with api.database.write() as session:
        org = await _visible_org(session, caller, org_id)
        require(caller, Action.ORG, org_id=org.id, what="org")
        values = _values(caller, body)
        for field, value in values.items():
            setattr(org, field, value)
        session.add(org)
        told = {"org": org.name, "by": caller.username, "fields": sorted(values)}
        after_commit(session, lambda: audit.info("org changed", **told))
    return OrgOut.of(org)


@router.get("/{org_id}/owners", openapi_extra=access(Action.KNOW))
async def list_org_owners(
    caller: CallerDep,
    api: ContextDep,
    page: PageDep,
    org_id: str,
    name: Annotated[str | None, Query(max_length=255)] = None,
    identity_type: Literal["user", "group"] | None = None,
    all_users: Annotated[bool, Query(description="All users, not only the caller.")] = False,
    all_groups: Annotated[bool, Query(description="Nothing changes: there are no groups.")] = False,  # noqa: ARG001 - in the contract
    details: bool = False,
) -> OwnerList | OwnerDetailedList:
    """List the owners in an org; details of others are for admins, also the org's."""
    if all_users:
        require(caller, Action.ACCOUNT)
    async with api.database.read() as session:
        org = await _visible_org(session, caller, org_id)
        if all_users and details:
            require(caller, Action.ORG, org_id=org.id, what="org")
        query = select(OwnerRow).where(col(OwnerRow.org_id) == org.id)
        if not all_users:
            query = query.where(col(OwnerRow.user_id) == caller.user_id)
        if identity_type == "group":
            query = query.where(false())
        if name:
            query = query.join(User, col(User.id) == col(OwnerRow.user_id))
            query = query.where(col(User.username).contains(name.lower(), autoescape=True))
        found = await paginate(session, query, page, OwnerRow)
        if details:
            owners = await with_parts(session, found.rows)
            return OwnerDetailedList(owners=owners, **found.keys())
        names = await owners_by_id(session, [row.id for row in found.rows])
    return OwnerList(owners=[OwnerOut.of(names[row.id]) for row in found.rows], **found.keys())


async def _visible_org(session: AsyncSession, caller: Caller, org_id: str) -> Org:
    """Return an org that the caller is in, or for an admin any.

    Raises:
        NotFound: there is none of that id, or it is not the caller's to see.
    """
    query = select(Org).where(col(Org.id) == org_id)
    if not caller.is_admin:
        query = query.where(col(Org.id).in_(orgs_of(caller)))
    org = (await session.exec(query)).one_or_none()
    if org is None:
        raise missing("org")
    return org


def _values(caller: Caller, body: OrgUpdate) -> dict[str, Any]:
    """Return the columns that were sent.

    Raises:
        Invalid: something is asked for that is not offered.
        Forbidden: only an admin may ask for that.
        Conflict: the org is to be locked.
    """
    sent = body.model_dump(exclude_unset=True)
    refuse_limits(sent.pop("limits_id", None))
    if sent.pop("locked", False):
        require(caller, Action.ADMIN)
        raise Conflict(
            "everybody here is in this org, so nobody could work if it were locked: lock users "
            "instead",
            code="only_org",
        )
    if "logo_image_url" in sent:
        sent["logo_image_url"] = sent["logo_image_url"] or ""
    return sent
