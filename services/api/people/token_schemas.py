"""API tokens and the grants that give new texts of them, as the contract sends and shows them."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from services.api.auth.models import ApiToken, RefreshToken
from services.api.auth.names import LONGEST_PATH, PATH_PATTERN
from services.api.auth.refresh_tokens import TokenPair
from services.api.auth.scopes import LONGEST_SCOPE, SCOPE_PATTERN
from services.api.paging import PageOut
from services.api.wire import DateTime, WireIn, WireOut, instant

_LONGEST_EXPIRY = 10 * 365 * 24 * 3600

ScopeText = Annotated[
    str,
    StringConstraints(max_length=LONGEST_SCOPE),
    Field(json_schema_extra={"pattern": SCOPE_PATTERN}),
]
"""The words of ``auth/scopes.py``, which says in a refusal what is right."""
IdentityPath = Annotated[
    str,
    StringConstraints(max_length=LONGEST_PATH),
    Field(json_schema_extra={"pattern": PATH_PATTERN}),
]
_Description = Annotated[str, StringConstraints(max_length=255)]
_Id = Annotated[str, StringConstraints(max_length=36)]
_Seconds = Annotated[int, Field(ge=1, le=_LONGEST_EXPIRY)]
_Secret = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class IdentityFields(WireIn):
    """A user or group named by its id."""

    user_id: _Id | None = None
    group_id: _Id | None = None


class TokenCreate(WireIn):
    """A token to make.

    With ``expires_in`` or ``refresh_expires_in`` a refresh token is given too, which gives a new
    text when the old one has expired. What is null does not end: ``expires_in`` alone gives a
    refresh token without an end.
    """

    identity: IdentityPath | IdentityFields | None = None
    description: _Description = ""
    expires_in: _Seconds | None = None
    refresh_expires_in: _Seconds | None = None
    scope: ScopeText | None = None


class TokenUpdate(WireIn):
    """What can change of a token."""

    description: _Description


class TokenOut(WireOut):
    """A token, without its text."""

    id: str
    description: str
    created_at: DateTime
    expires_at: DateTime | None
    refresh_expires_at: DateTime | None
    scope: str | None
    user_id: str | None
    group_id: str | None = None

    @classmethod
    def of(cls, token: ApiToken, refresh: RefreshToken | None) -> Self:
        """Show a token, and until when it can be refreshed."""
        return cls(
            id=token.id,
            description=token.description,
            created_at=instant(token.created_at),
            expires_at=instant(token.expires_at),
            refresh_expires_at=instant(refresh.expires_at) if refresh else None,
            scope=token.scope,
            user_id=token.user_id,
        )


class NewTokenOut(TokenOut):
    """A token just made: the only answer that has its texts."""

    access_token: str
    refresh_token: str | None = None


class TokenList(PageOut):
    """A page of tokens."""

    tokens: list[TokenOut]


class AuthorizationCodeGrant(WireIn):
    """The code that a sign-in on another host gave."""

    grant_type: Literal["authorization_code"]
    code: _Secret
    code_verifier: _Secret
    redirect_uri: Annotated[str, StringConstraints(max_length=2048)]


class RefreshGrant(WireIn):
    """A refresh token: it is used once."""

    grant_type: Literal["refresh_token"]
    refresh_token: _Secret


Grant = Annotated[AuthorizationCodeGrant | RefreshGrant, Field(discriminator="grant_type")]
"""What gives new texts of a token."""


class GrantOut(WireOut):
    """The new texts of a token, and when they end; null: they do not."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the word of the standard
    expires_at: DateTime | None
    refresh_expires_at: DateTime | None
    expires_in: int | None
    refresh_expires_in: int | None

    @classmethod
    def of(cls, pair: TokenPair) -> Self:
        """Show what a grant gave."""
        return cls(
            access_token=pair.access_text,
            refresh_token=pair.refresh_text,
            expires_at=instant(pair.token.expires_at),
            refresh_expires_at=instant(pair.refresh.expires_at),
            expires_in=pair.token.expires_in,
            refresh_expires_in=pair.token.refresh_expires_in,
        )
