"""What parts share: what they need to know of the kind of resource that they are mounted at."""

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Protocol, TypeAlias

from fastapi import Query
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action
from services.api.auth.caller import Caller
from services.api.context import ApiContext
from services.api.resources.models import Workspace
from services.api.resources.surroundings import Surroundings

Find: TypeAlias = Callable[[AsyncSession, Caller, Action, str], Awaitable[Workspace]]
"""Returns a resource that the caller may do this to, or raises."""


class Lock(Protocol):
    """Returns a resource like ``Find``, locked for a change together with secrets of these ids."""

    async def __call__(
        self,
        session: AsyncSession,
        api: ApiContext,
        caller: Caller,
        action: Action,
        resource_id: str,
        /,
        *,
        secrets: Collection[str] = (),
    ) -> tuple[Workspace, Surroundings]:
        """Return the resource and what is around it."""
        ...


Cluster = Annotated[str | None, Query(max_length=253, description="Ignored: there is one cluster.")]
