"""``/api/auth/token``: a refresh token for new texts of its API token.

It is open: what is shown is the proof. The official client asks without any header.
"""

from typing import Annotated

from fastapi import APIRouter, Body

from cassini.runtime.errors import Invalid
from services.api.access import Action, access
from services.api.auth.refresh_tokens import refresh
from services.api.context import ContextDep
from services.api.people.token_schemas import AuthorizationCodeGrant, Grant, GrantOut

router = APIRouter(prefix="/api/auth/token", tags=["authorization"])


@router.post("", openapi_extra=access(Action.OPEN))
async def post_oauth_token(api: ContextDep, grant: Annotated[Grant, Body()]) -> GrantOut:
    """Create new texts of a token."""
    if isinstance(grant, AuthorizationCodeGrant):
        raise Invalid(
            "authorization codes are not given out here yet: use grant_type refresh_token, or "
            "make a token at /api/tokens",
            code="unsupported_grant_type",
        )
    return GrantOut.of(await refresh(api, grant.refresh_token))
