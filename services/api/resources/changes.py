"""What a live stream says of resources: their state now, once for every version of it.

Versions rise with the clock of whoever wrote them, and transactions may commit in another order
than they began; so each look goes back some seconds, and what was told is not told again.
"""

from collections.abc import Collection
from typing import Self

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.auth.caller import Caller
from services.api.people.owners import Owner, owners_by_id
from services.api.resources.models import Workspace
from services.api.wire import WireOut, timestamp

_BACK_MICROSECONDS = 10_000_000


class ResourceChange(WireOut):
    """A resource as it is now; of one that is gone only ``id`` and ``deleted`` are told."""

    id: str
    deleted: bool = False
    resource_type: str | None = None
    name: str | None = None
    owner: str | None = None
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    require_restart: bool | None = None
    started_at: str | None = None
    updated_at: str | None = None

    @classmethod
    def of(cls, row: Workspace, owner: Owner) -> Self:
        """Tell a workspace."""
        return cls(
            id=row.id,
            resource_type="workspace",
            name=row.name,
            owner=owner.name,
            status=row.status,
            reason=row.reason,
            message=row.message,
            require_restart=row.require_restart,
            started_at=None if row.started_at is None else timestamp(row.started_at),
            updated_at=timestamp(row.updated_at),
        )


class Changes:
    """What one stream has told and what there is to tell."""

    def __init__(self, since: int) -> None:
        """Tell what changed after ``since`` (Unix microseconds)."""
        self._since = self._newest = since
        self._told: dict[str, int | None] = {}

    async def look(
        self, session: AsyncSession, caller: Caller, hinted: Collection[str]
    ) -> list[ResourceChange]:
        """Return what changed, oldest first; ``hinted`` may have changed or be gone."""
        query = select(Workspace).where(
            col(Workspace.owner_id).in_(caller.owner_ids),
            or_(
                col(Workspace.version) > max(self._since, self._newest - _BACK_MICROSECONDS),
                col(Workspace.id).in_(hinted),
            ),
        )
        if caller.scope.resources is not None:
            query = query.where(col(Workspace.id).in_(caller.scope.resources))
            hinted = caller.scope.resources.intersection(hinted)
        rows = (await session.exec(query.order_by(col(Workspace.version)))).all()
        owners = await owners_by_id(session, {row.owner_id for row in rows})
        gone = set(hinted) - {row.id for row in rows}
        self._newest = max([self._newest, *(row.version for row in rows)])
        news: list[tuple[str, Workspace | None]] = [
            (each, None) for each in gone if self._is_news(each, None)
        ]
        for row in rows:
            live = row if row.deleted_at is None else None
            if self._is_news(row.id, None if live is None else live.version):
                news.append((row.id, live))
        return [
            ResourceChange(id=row_id, deleted=True)
            if row is None
            else ResourceChange.of(row, owners[row.owner_id])
            for row_id, row in news
        ]

    def _is_news(self, row_id: str, version: int | None) -> bool:
        """Remember what is told of a resource; None: that it is gone."""
        if row_id in self._told and self._told[row_id] == version:
            return False
        self._told[row_id] = version
        return True
