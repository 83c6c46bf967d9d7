"""What the api's routes work with, made once by the service and handed to the app.

A route asks for it with ``api: ContextDep`` and opens its own unit of work
(``async with api.database.write() as session``), so that a transaction never lasts longer than
the lines that need it.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.declarations import Declarations
from cassini.runtime.instruments import Instruments
from cassini.runtime.log_source import LogSource
from cassini.runtime.sealing import Sealer
from cassini.runtime.service import Health
from cassini.runtime.settings import PlatformSettings
from services.api.keys import ApiKeys
from services.api.watch import Watch

if TYPE_CHECKING:  # the layer above, by name only
    from services.api.auth.caller import Caller


@dataclass(frozen=True)
class WorkspaceLink:
    """A workspace as the plain page shows it."""

    name: str
    status: str
    href: str | None
    """The owner-only route that opens it; None while it cannot be opened."""
    reason: str | None = None


HealthCheck = Callable[[], Awaitable[Health]]
WorkspacesOf: TypeAlias = "Callable[[AsyncSession, Caller], Awaitable[Sequence[WorkspaceLink]]]"
BelongingsOf = Callable[[AsyncSession, Collection[str]], Awaitable[Sequence[str]]]
SecretsChanged: TypeAlias = "Callable[[AsyncSession, ApiContext, Collection[str]], Awaitable[None]]"


@dataclass(frozen=True)
class ApiContext:
    """Everything a route may need."""

    database: Database
    declarations: Declarations
    clock: Clock
    sealer: Sealer
    settings: PlatformSettings
    keys: ApiKeys
    log_source: LogSource
    ready: HealthCheck
    """Whether the api itself (embedded: the whole platform) can work now."""
    platform: HealthCheck
    """Whether a workspace could be started now."""
    workspaces_of: WorkspacesOf
    watch: Watch
    instruments: Instruments
    metrics: Callable[[], Awaitable[bytes]]
    """What Prometheus is told of this process."""
    belongings_of: BelongingsOf
    """What still belongs to owners of these ids, in words."""
    secrets_changed: SecretsChanged
    """Lets resources of these ids follow a change of secrets that they were given."""


def find_context(request: Request) -> ApiContext:
    """Return what routes work with (a dependency)."""
    api = request.app.state.api
    if not isinstance(api, ApiContext):
        raise TypeError("the app was made without its context")
    return api


ContextDep = Annotated[ApiContext, Depends(find_context)]
