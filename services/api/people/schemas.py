"""Users, orgs and owners as the contract sends and shows them."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from services.api.auth.models import Org, User
from services.api.auth.names import LONGEST_NAME, NAME_PATTERN
from services.api.paging import PageOut
from services.api.people.owners import Owner, OwnerOut
from services.api.wire import DateTime, Url, WireChange, WireIn, WireOut, avatar, timestamp

# Spaces and control characters by number: what \s means differs from one library to the other.
_NO_SPACE = r"\x00-\x20\x7f-\xa0"
Email = Annotated[
    str, StringConstraints(pattern=rf"^[^@{_NO_SPACE}]{{1,64}}@[^@{_NO_SPACE}]{{1,255}}$")
]
_Username = Annotated[
    str,
    StringConstraints(max_length=LONGEST_NAME),
    Field(json_schema_extra={"pattern": NAME_PATTERN}),
]
_FullName = Annotated[str, StringConstraints(max_length=255)]
_Id = Annotated[str, StringConstraints(max_length=36)]
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
_REST = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})"
_WebAddress = Annotated[
    str,
    StringConstraints(
        pattern=rf"^https?://{_HOST}(?::[0-9]{{1,5}})?(?:[/?#]{_REST}*)?$", max_length=2000
    ),
]
"""An address that is shown as a URI, so it must be one."""
_Logo = Annotated[
    str,
    StringConstraints(pattern=rf"^((https?://|data:image/)[^{_NO_SPACE}]+)?$", max_length=32_768),
]


class UserOut(WireOut):
    """A user as everybody may see them."""

    id: str
    username: str
    avatar_url: Url

    @classmethod
    def of(cls, user: User) -> Self:
        """Show a user."""
        return cls(id=user.id, username=user.username, avatar_url=avatar(user.username))


class UserDetailedOut(UserOut):
    """A user as they and admins see them; ``active`` is the contrary of ``locked``."""

    created_at: DateTime
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

    users: list[UserOut]


class UserDetailedList(PageOut):
    """A page of users as admins see them."""

    users: list[UserDetailedOut]


class UserCreate(WireIn):
    """A user to make (by an admin). Mail is not sent: the answer to a new user is a link."""

    username: _Username
    email: Email
    full_name: _FullName = ""
    admin: bool = False
    limits_id: _Id | None = None
    send_reset_email: bool = True
    locked: bool = False
    prevent_duplicate_emails: bool = False


class UserUpdate(WireChange):
    """A change of a user. Who is no admin may send ``admin``, ``locked`` and ``active`` as is."""

    username: _Username = ""
    full_name: _FullName = ""
    email: Email = ""
    is_multiple_ssh_keys: bool = False
    active: bool = True
    admin: bool = False
    locked: bool = False
    limits_id: _Id | None = None


class UserCreatedOut(UserDetailedOut):
    """A user just made, with what the admin should know."""

    notice: str | None = None


class OrgOut(WireOut):
    """An org."""

    id: str
    created_at: DateTime
    avatar_url: Url
    name: str
    email: str
    description: str
    website_url: Url | None
    logo_image_url: str
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
            website_url=org.website_url,
            logo_image_url=org.logo_image_url,
            is_primary=org.is_primary,
        )


class OrgList(PageOut):
    """A page of orgs."""

    orgs: list[OrgOut]


class OrgUpdate(WireChange):
    """A change of an org; its name stays as it is."""

    email: Email = ""
    description: Annotated[str, StringConstraints(max_length=2048)] = ""
    website_url: _WebAddress | None = None
    logo_image_url: _Logo | None = None
    limits_id: _Id | None = None
    locked: bool = False


class OwnerList(PageOut):
    """A page of owners."""

    owners: list[OwnerOut]


class OwnerDetailedOut(OwnerOut):
    """An owner with its org and user."""

    user_id: str
    limits_id: str | None = None
    limits: None = None
    org: OrgOut
    user: UserDetailedOut
    group: None = None

    @classmethod
    def with_parts(cls, owner: Owner, org: Org, user: User) -> Self:
        """Show an owner, its org and its user."""
        return cls(
            **OwnerOut.of(owner).model_dump(), org=OrgOut.of(org), user=UserDetailedOut.of(user)
        )


class OwnerDetailedList(PageOut):
    """A page of owners, each with its org and user."""

    owners: list[OwnerDetailedOut]


class PreferencesOut(WireOut):
    """What a user prefers."""

    default_org_id: str
    default_owner: OwnerDetailedOut


class PreferencesUpdate(WireIn):
    """What a user prefers from now on; ``saturn_client`` says whose preferences it means, too."""

    default_org_id: _Id
    user_id: _Id | None = None
