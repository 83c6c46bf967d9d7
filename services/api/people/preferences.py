"""What a user prefers: the org that is meant where none is named."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import missing
from services.api.auth.caller import Caller
from services.api.auth.models import OwnerRow
from services.api.people.changes import visible_account
from services.api.people.listing import with_parts
from services.api.people.schemas import PreferencesOut, PreferencesUpdate


async def preferences_of(session: AsyncSession, caller: Caller) -> PreferencesOut:
    """Return what the caller prefers; the primary org where they did not say."""
    query = select(OwnerRow).where(col(OwnerRow.id) == caller.default_owner_id)
    return await _show(session, (await session.exec(query)).one())


async def change_preferences(
    session: AsyncSession, caller: Caller, body: PreferencesUpdate
) -> PreferencesOut:
    """Set the default org of the caller, or of a user whom the caller may look after.

    Raises:
        NotFound: there is no such user, or no such org that they are a member of.
    """
    user = await visible_account(session, caller, body.user_id or caller.user_id)
    query = select(OwnerRow).where(
        col(OwnerRow.user_id) == user.id, col(OwnerRow.org_id) == body.default_org_id
    )
    owner = (await session.exec(query)).one_or_none()
    if owner is None:
        raise missing("org")
    user.default_org_id = owner.org_id
    session.add(user)
    return await _show(session, owner)


async def _show(session: AsyncSession, owner: OwnerRow) -> PreferencesOut:
    (shown,) = await with_parts(session, [owner])
    return PreferencesOut(default_org_id=owner.org_id, default_owner=shown)
