"""Owners with their orgs and users: as many queries for a page as for one."""

from collections.abc import Collection, Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.auth.models import Org, OwnerRow, User
from services.api.paging import PageQuery, paginate
from services.api.people.owners import Owner
from services.api.people.schemas import OwnerDetailedList, OwnerDetailedOut


async def page_of_owners(
    session: AsyncSession, page: PageQuery, owner_ids: Collection[str]
) -> OwnerDetailedList:
    """Return a page of these owners."""
    query = select(OwnerRow).where(col(OwnerRow.id).in_(owner_ids))
    found = await paginate(session, query, page, OwnerRow)
    return OwnerDetailedList(owners=await with_parts(session, found.rows), **found.keys())


async def with_parts(session: AsyncSession, rows: Sequence[OwnerRow]) -> list[OwnerDetailedOut]:
    """Return owners in their order, each with its org and user."""
    orgs_query = select(Org).where(col(Org.id).in_({row.org_id for row in rows}))
    users_query = select(User).where(col(User.id).in_({row.user_id for row in rows}))
    orgs = {org.id: org for org in await session.exec(orgs_query)}
    users = {user.id: user for user in await session.exec(users_query)}
    return [_show(row, orgs[row.org_id], users[row.user_id]) for row in rows]


def _show(row: OwnerRow, org: Org, user: User) -> OwnerDetailedOut:
    owner = Owner.of(row, org_name=org.name, username=user.username)
    return OwnerDetailedOut.with_parts(owner, org, user)
