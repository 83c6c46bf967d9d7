"""What is told to Prometheus of resources that were started and do not run yet."""

import time

from sqlalchemy import func, select
from sqlmodel import col

from cassini.runtime.database import Database
from cassini.runtime.scrape import Look, Value
from services.api.resources.models import ACTIVE, Workspace
from services.api.resources.status import ResourceStatus

_KIND = ("workspace",)


def pending_look(database: Database) -> Look:
    """Look how many workspaces are pending, and how long ago the last news of one was."""
    is_pending = col(Workspace.status) == ResourceStatus.PENDING.value
    # A row's version is raised to Unix microseconds by every change of it.
    query = select(func.count(), func.min(col(Workspace.version))).where(ACTIVE, is_pending)

    async def look() -> list[Value]:
        async with database.read() as session:
            count, version = (await session.execute(query)).one()
        quiet = 0.0 if version is None else max(time.time() - version / 1_000_000, 0.0)
        return [
            Value("cassini_resources_pending", count, _KIND),
            Value("cassini_resource_pending_quiet_seconds", quiet, _KIND),
        ]

    return look
