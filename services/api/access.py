"""Who may do what to what: one table, one function.

Every route names its action where it is declared (``openapi_extra=access(Action.VIEW)``). For
actions that need no target (OPEN, KNOW, ACCOUNT, ADMIN, OBSERVE) that line is all: ``enforce``
runs before every route and decides. A route about a thing that someone owns (an account, too)
also calls ``require`` with the owner's and the resource's id, once it has looked the thing up. A
test walks every route in every role and compares with the table here.

What a caller may not see does not exist for them: ``require`` raises NotFound then, and Forbidden
only for what they see and may not do.
"""

from enum import StrEnum
from typing import Any

from fastapi import Request

from cassini.runtime.errors import Forbidden, NotFound
from services.api.auth.authentication import require_caller
from services.api.auth.caller import Caller

_EXTRA = "x-cassini-access"


class Action(StrEnum):
    """What can be done."""

    OPEN = "open"
    """What anybody may do, known or not: sign in, read the status."""
    KNOW = "know"
    """What every known caller may read: oneself, the org, sizes, shared images."""
    ACCOUNT = "account"
    """One's own account: tokens, password, who else is here. Not for a resource token."""
    VIEW = "view"
    EDIT = "edit"
    START = "start"
    """Start, stop and restart."""
    CREATE = "create"
    DELETE = "delete"
    GRANT = "grant"
    """Make a resource's token anew, and say what it may do: for people. No token for a resource
    may: it would widen itself."""
    REVEAL = "reveal"
    """The link with JupyterLab's own token: the owner only, not even an admin."""
    ORG = "org"
    """What concerns an org: for its admins."""
    ADMIN = "admin"
    """What concerns the installation."""
    OBSERVE = "observe"
    """How the installation does (its metrics): for admins; a token that may only read will do."""


class Role(StrEnum):
    """What a caller is to the thing at hand."""

    NOBODY = "nobody"
    ADMIN = "admin"
    OWNER = "owner"
    OTHER = "other"
    ORG_ADMIN = "org_admin"
    """An admin of the org at hand; beside what they are to the thing."""
    ITS_TOKEN = "its_token"  # noqa: S105 - a role, not a secret
    """The resource token of this very resource."""
    FOREIGN_TOKEN = "foreign_token"  # noqa: S105 - a role, not a secret
    """The resource token of another resource."""
    OWNER_TOKEN = "owner_token"  # noqa: S105 - a role, not a secret
    """A resource's token without a scope: it may do to all that its owner has."""


_KNOWN = {Action.OPEN, Action.KNOW}
_OWN = {Action.VIEW, Action.EDIT, Action.START, Action.CREATE, Action.DELETE}

ALLOWED: dict[Role, frozenset[Action]] = {
    Role.NOBODY: frozenset({Action.OPEN}),
    Role.ADMIN: frozenset(
        _KNOWN | _OWN | {Action.ACCOUNT, Action.GRANT, Action.ORG, Action.ADMIN, Action.OBSERVE}
    ),
    Role.OWNER: frozenset(_KNOWN | _OWN | {Action.ACCOUNT, Action.GRANT, Action.REVEAL}),
    Role.OTHER: frozenset(_KNOWN),
    Role.ORG_ADMIN: frozenset(_KNOWN | {Action.ORG}),
    Role.ITS_TOKEN: frozenset(_KNOWN | {Action.VIEW, Action.EDIT, Action.START}),
    Role.FOREIGN_TOKEN: frozenset(_KNOWN),
    Role.OWNER_TOKEN: frozenset(_KNOWN | _OWN),
}

READING = frozenset(_KNOWN | {Action.VIEW, Action.OBSERVE})
"""All that a token with the scope ``read`` may do."""

TARGETLESS = frozenset({Action.OPEN, Action.KNOW, Action.ACCOUNT, Action.ADMIN, Action.OBSERVE})
"""Actions that ``enforce`` decides alone."""


def access(action: Action) -> dict[str, Any]:
    """Return what a route passes as ``openapi_extra`` to name its action."""
    return {_EXTRA: action.value}


def action_of(route: Any) -> Action | None:
    """Return the action that a route names, if any."""
    extra = getattr(route, "openapi_extra", None) or {}
    return Action(extra[_EXTRA]) if _EXTRA in extra else None


def role_of(caller: Caller, *, owner_id: str | None, resource_id: str | None) -> Role:
    """Return what the caller is to a resource, or to whatever an owner has."""
    within = caller.scope.resources
    is_own = owner_id is None or owner_id in caller.owner_ids
    if within is not None:
        return Role.ITS_TOKEN if is_own and resource_id in within else Role.FOREIGN_TOKEN
    if not is_own:
        return Role.OTHER
    return Role.OWNER if caller.resource_id is None else Role.OWNER_TOKEN


def require(
    caller: Caller,
    action: Action,
    *,
    owner_id: str | None = None,
    resource_id: str | None = None,
    org_id: str | None = None,
    what: str = "thing",
) -> None:
    """Let the caller do this to a thing of this owner, or to this org, or raise.

    Without an owner it is about the caller's own. A caller who is an admin may also do what
    admins may. ``what`` is the noun of a refusal, the same as where there is no such thing at
    all (``missing``), so that the answer does not tell the two apart.

    Raises:
        NotFound: the caller may not see the thing.
        Forbidden: the caller may see it, or it is not about a thing, but may not do this.
    """
    allowed = ALLOWED[role_of(caller, owner_id=owner_id, resource_id=resource_id)]
    if caller.is_admin:
        allowed |= ALLOWED[Role.ADMIN]
    if org_id in caller.admin_of:
        allowed |= ALLOWED[Role.ORG_ADMIN]
    if action in allowed and caller.scope.read_only and action not in READING:
        raise Forbidden("the scope of this token is 'read': it may look, and change nothing")
    if action in allowed:
        return
    own_place = resource_id is None and (owner_id is None or owner_id in caller.owner_ids)
    if Action.VIEW not in allowed and not own_place:
        raise missing(what)
    raise Forbidden(_REFUSALS.get(action, "you may not do this"))


def is_allowed(caller: Caller, action: Action, *, owner_id: str, resource_id: str) -> bool:
    """Whether the caller may do this to a thing of this owner."""
    try:
        require(caller, action, owner_id=owner_id, resource_id=resource_id)
    except (Forbidden, NotFound):
        return False
    return True


def missing(what: str) -> NotFound:
    """Return the error for a thing that is not there, or not for the caller."""
    code = f"{what.replace(' ', '_')}_not_found"
    return NotFound(f"There is no such {what}.", code=code)


_USE_OWN = "use a token of your own that may"
_REFUSALS = {
    Action.ADMIN: "only an admin may do this",
    Action.OBSERVE: "only an admin may see this",
    Action.REVEAL: "only the owner may open it; sign in as the owner",
    Action.ORG: "only an admin of the org may do this",
    Action.ACCOUNT: f"a token for a resource may not manage an account; {_USE_OWN}",
    Action.GRANT: f"a token for a resource may not decide what a token may do; {_USE_OWN}",
    Action.CREATE: f"a token for a resource may not create anything; {_USE_OWN}",
    Action.DELETE: f"a token for a resource may not delete; {_USE_OWN}",
}


async def enforce(request: Request) -> None:
    """Decide before every route, by the action that it names (an app-wide dependency).

    Raises:
        Unauthenticated: the route is not open and nobody known is calling.
        Forbidden: the caller may not do this at all.
    """
    action = action_of(request.scope.get("route"))
    if action is Action.OPEN:
        return
    caller = await require_caller(request)
    if action is None:
        raise Forbidden("this address is not open to anybody yet", code="no_access_rule")
    if action in TARGETLESS:
        require(caller, action)
