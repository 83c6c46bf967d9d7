"""What parts share: what they need to know of the kind of resource that they are mounted at."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import Query
from sqlmodel.ext.asyncio.session import AsyncSession

from services.api.access import Action
from services.api.auth.caller import Caller
from services.api.resources.models import Workspace

Find: TypeAlias = Callable[[AsyncSession, Caller, Action, str], Awaitable[Workspace]]
"""Returns a resource that the caller may do this to, or raises."""

Cluster = Annotated[str | None, Query(max_length=253, description="Ignored: there is one cluster.")]
