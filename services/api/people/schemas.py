"""Users, orgs and tokens as the contract shows them."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from services.api.auth.models import ApiToken, Org, User
from services.api.paging import PageOut
from services.api.people.owners import Owner, OwnerOut
from services.api.wire import WireIn, WireOut, avatar, instant, timestamp

_LONGEST_EXPIRY = 10 * 365 * 24 * 3600
_EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,255}$"


class UserOut(WireOut):
    """A user as everybody may see them."""

    id: str
    username: str
    avatar_url: str

    @classmethod
    def of(cls, user: User) -> Self:
        """Show a user."""
        return cls(id=user.id, username=user.username, avatar_url=avatar(user.username))


class UserDetailedOut(UserOut):
    """A user as they and admins see them."""

    created_at: str
    full_name: str
    email: str
    admin: bool
    locked: bool
    locked_reason: str
    is_multiple_ssh_keys: bool = False
    active: bool

    @classmethod
    def of(cls, user: User) -> Self:
        """Show a user."""
        return cls(
            id=user.id,
            username=user.username,
            avatar_url=avatar(user.username),
            created_at=timestamp(user.created_at),
            full_name=user.full_name,
            email=user.email,
            admin=user.is_admin,
            locked=user.locked,
            locked_reason=user.locked_reason,
            active=not user.locked,
        )


class UserList(PageOut):
    """A page of users."""

    users: list[UserDetailedOut | UserOut]


class UserCreate(WireIn):
    """A user to make (by an admin). Mail is not sent: the answer to a new user is a link."""

    username: str
    email: Annotated[str, StringConstraints(pattern=_EMAIL)]
    full_name: Annotated[str, StringConstraints(max_length=255)] = ""
    admin: bool = False
    limits_id: str | None = None
    send_reset_email: bool = True
    locked: bool = False
    prevent_duplicate_emails: bool = False


class UserCreatedOut(UserDetailedOut):
    """A user just made, with what the admin should know."""

    notice: str | None = None


class OrgOut(WireOut):
    """An org."""

    id: str
    created_at: str
    avatar_url: str
    name: str
    email: str
    description: str
    website_url: str | None = None
    logo_image_url: str = ""
    limits_id: str | None = None
    limits: None = None
    is_primary: bool
    locked: bool = False
    locked_reason: str = ""

    @classmethod
    def of(cls, org: Org) -> Self:
        """Show an org."""
        return cls(
            id=org.id,
            created_at=timestamp(org.created_at),
            avatar_url=avatar(org.name),
            name=org.name,
            email=org.email,
            description=org.description,
            is_primary=org.is_primary,
        )


class OrgList(PageOut):
    """A page of orgs."""

    orgs: list[OrgOut]


class OwnerDetailedOut(OwnerOut):
    """An owner with its org and user."""

    limits_id: str | None = None
    limits: None = None
    org: OrgOut
    user: UserDetailedOut

    @classmethod
    def with_parts(cls, owner: Owner, org: Org, user: User) -> Self:
        """Show an owner, its org and its user."""
        return cls(
            **OwnerOut.of(owner).model_dump(), org=OrgOut.of(org), user=UserDetailedOut.of(user)
        )


class UserOwnerList(PageOut):
    """A page of a user's owners."""

    owners: list[OwnerDetailedOut]


class IdentityFields(WireIn):
    """A user or group named by its id."""

    user_id: str | None = None
    group_id: str | None = None


class TokenCreate(WireIn):
    """A token to make."""

    identity: str | IdentityFields | None = None
    description: Annotated[str, StringConstraints(max_length=255)] = ""
    expires_in: Annotated[int | None, Field(ge=1, le=_LONGEST_EXPIRY)] = None
    refresh_expires_in: Annotated[int | None, Field(ge=1, le=_LONGEST_EXPIRY)] = None
    scope: str | None = None


class TokenUpdate(WireIn):
    """What can change of a token."""

    description: Annotated[str, StringConstraints(max_length=255)]


class TokenOut(WireOut):
    """A token, without its text."""

    id: str
    description: str
    created_at: str | None
    expires_at: str | None
    refresh_expires_at: str | None = None
    scope: str | None
    user_id: str | None
    group_id: str | None = None

    @classmethod
    def of(cls, token: ApiToken) -> Self:
        """Show a token."""
        return cls(
            id=token.id,
            description=token.description,
            created_at=instant(token.created_at),
            expires_at=instant(token.expires_at),
            scope=token.scope,
            user_id=token.user_id,
        )


class NewTokenOut(TokenOut):
    """A token just made: the only answer that has its text."""

    access_token: str
    refresh_token: str | None = None


class TokenList(PageOut):
    """A page of tokens."""

    tokens: list[TokenOut]
