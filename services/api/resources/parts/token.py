"""``…/token``: what a resource's own token may do, and a new one in its place.

A new token is delivered like any secret: declared as a credential, and given to what is started
from then on. What runs has the old one, which ends at once; the resource says that it must be
restarted.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, Self, TypeAlias

from fastapi import APIRouter, Path
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.database import after_commit
from services.api.access import Action, access, missing
from services.api.auth.caller import Caller
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import ApiToken
from services.api.auth.scopes import Scope
from services.api.auth.tokens import current_resource_token
from services.api.context import ApiContext, ContextDep
from services.api.credentials.wishes import rotate_token
from services.api.people.accounts import audit
from services.api.people.owners import owners_by_id
from services.api.people.token_schemas import ScopeText
from services.api.wire import WireIn, WireOut


class HasToken(Protocol):
    """A row of a resource that uses the API with a token of its own."""

    id: str
    owner_id: str
    token_generation: int
    """Raised with every new token; part of what a start is made from."""


Find: TypeAlias = Callable[[AsyncSession, Caller, Action, str], Awaitable[HasToken]]
"""Returns a resource that the caller may do this to, or raises."""


class ResourceTokenOut(WireOut):
    """A resource's token, without its text."""

    id: str
    scope: str | None

    @classmethod
    def of(cls, token: ApiToken) -> Self:
        """Show a token."""
        return cls(id=token.id, scope=token.scope)


class ResourceTokenUpdate(WireIn):
    """What a resource's token may do from now on; null: all that the resource's owner may."""

    scope: ScopeText | None


def token_router(kind: str, *, find: Find, lock: Find) -> APIRouter:
    """Return the routes ``/api/<kind>s/{<kind>_id}/token``.

    Args:
        kind: the type of resource, as scopes name it.
        find: reads a resource.
        lock: reads it and locks its row for a change.
    """
    own_id = f"{kind}_id"
    router = APIRouter(prefix=f"/api/{kind}s/{{{own_id}}}/token", tags=[f"{kind}s"])

    @router.get("", name=f"get_{kind}_token_info", openapi_extra=access(Action.VIEW))
    async def get_token(
        api: ContextDep, caller: CallerDep, resource_id: Annotated[str, Path(alias=own_id)]
    ) -> ResourceTokenOut:
        """Show what the resource's token may do."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
            return ResourceTokenOut.of(await _current(session, row))

    @router.post("", name=f"rotate_{kind}_token", openapi_extra=access(Action.GRANT))
    async def rotate(
        api: ContextDep, caller: CallerDep, resource_id: Annotated[str, Path(alias=own_id)]
    ) -> ResourceTokenOut:
        """Make the resource's token anew; the old one ends at once."""
        async with api.database.write() as session:
            row = await lock(session, caller, Action.GRANT, resource_id)
            scope = (await _current(session, row)).scope
            return ResourceTokenOut.of(await give_token(session, api, caller, kind, row, scope))

    @router.patch("", name=f"change_{kind}_token", openapi_extra=access(Action.GRANT))
    async def change(
        api: ContextDep,
        caller: CallerDep,
        resource_id: Annotated[str, Path(alias=own_id)],
        body: ResourceTokenUpdate,
    ) -> ResourceTokenOut:
        """Change what the resource's token may do: a new one takes its place at once."""
        Scope.parse(body.scope)
        async with api.database.write() as session:
            row = await lock(session, caller, Action.GRANT, resource_id)
            return ResourceTokenOut.of(
                await give_token(session, api, caller, kind, row, body.scope)
            )

    return router


async def _current(session: AsyncSession, row: HasToken) -> ApiToken:
    token = await current_resource_token(session, row.id)
    if token is None:
        raise missing("token")
    return token


async def give_token(
    session: AsyncSession,
    api: ApiContext,
    caller: Caller,
    kind: str,
    row: HasToken,
    scope: str | None,
) -> ApiToken:
    """Give a locked resource a new token of this scope; the one before ends at once."""
    owner = (await owners_by_id(session, {row.owner_id}))[row.owner_id]
    token = await rotate_token(
        session, api, resource_id=row.id, resource_type=kind, owner=owner, scope=scope
    )
    row.token_generation += 1
    told = {"resource": row.id, "scope": scope, "by": caller.username, "id": token.id}
    after_commit(session, lambda: audit.info("resource token made anew", **told))
    return token
