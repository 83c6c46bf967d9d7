"""Many workspaces of many people, written into the api's tables while the platform is down.

Through the API a hundred thousand would take half an hour; what is measured is reading them.
"""

import asyncio
import uuid
from typing import Any

from sqlalchemy import func, insert
from sqlmodel import col, select

from cassini.runtime.database import Database
from services.api.auth.models import Org, OwnerRow, User
from services.api.resources.models import Workspace

USERS = 500
_BATCH = 2000


def user_name(number: int) -> str:
    """Return the name of one of the people."""
    return f"user-{number}"


def fill(url: str, total: int) -> int:
    """Bring the number of workspaces to ``total``; returns how many each of the people has."""
    return asyncio.run(_fill(url, total))


async def _fill(url: str, total: int) -> int:
    database = Database(url, schema="api")
    try:
        owners = await _people(database)
        async with database.read() as session:
            count = (await session.exec(select(func.count()).select_from(Workspace))).one()
            own = select(func.count()).where(col(Workspace.owner_id) == owners[0])
            each = (await session.exec(own)).one()
            model = (await session.exec(select(Workspace).limit(1))).one().model_dump()
        each += (total - count) // USERS
        rows = [
            _workspace(model, owners[number % USERS], number)
            for number in range(count, count + (total - count) // USERS * USERS)
        ]
        for first in range(0, len(rows), _BATCH):
            async with database.write() as session:
                await session.execute(insert(Workspace), rows[first : first + _BATCH])
        return each
    finally:
        await database.close()


async def _people(database: Database) -> list[str]:
    """Have the people; return their owners' ids, in the order of their numbers."""
    async with database.write() as session:
        if found := await _known(database):
            return found
        org = (await session.exec(select(Org).where(col(Org.is_primary)))).one()
        users = [
            {"id": uuid.uuid4().hex, "username": user_name(number), "created_at": float(number)}
            for number in range(USERS)
        ]
        session.add_all(User(**user) for user in users)
        await session.flush()
        session.add_all(
            OwnerRow(org_id=org.id, user_id=user["id"], created_at=user["created_at"])
            for user in users
        )
    return await _known(database)


async def _known(database: Database) -> list[str]:
    query = select(OwnerRow.id).join(User, col(User.id) == col(OwnerRow.user_id))
    query = query.where(col(User.username).startswith("user-")).order_by(col(User.created_at))
    async with database.read() as session:
        return list((await session.exec(query)).all())


def _workspace(model: dict[str, Any], owner_id: str, number: int) -> dict[str, Any]:
    row_id = uuid.uuid4().hex
    own = {"id": row_id, "owner_id": owner_id, "name": f"w-{number}", "subdomain": f"w-{row_id}"}
    return model | own | {"created_at": float(number), "updated_at": float(number)}
