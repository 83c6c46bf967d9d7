"""Tables: the org, users, the owners they are, and the ways they prove who they are.

Whatever proves something is kept as a SHA-256 only (random values of 256 bits need no salt or
stretching); passwords are kept as Argon2 hashes. Times are Unix seconds.
"""

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from cassini.contracts.resources import new_id
from services.api.tables import ApiTable


class Org(ApiTable, table=True):
    """An organisation; one is primary, and a bare user name means a member of that one."""

    __tablename__ = "org"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    name: str = Field(unique=True, max_length=39)
    email: str = ""
    description: str = ""
    website_url: str | None = None
    logo_image_url: str = ""
    is_primary: bool = False
    created_at: float


class User(ApiTable, table=True):
    """A person."""

    __tablename__ = "account"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    username: str = Field(unique=True, max_length=39)
    email: str = ""
    full_name: str = ""
    is_admin: bool = False
    locked: bool = False
    locked_reason: str = ""
    password_hash: str | None = None
    """None: no password is set; only a sign-in link opens a session."""
    default_org_id: str | None = Field(default=None, max_length=32)
    """The org that a bare request is about; None: the primary one."""
    created_at: float


class OwnerRow(ApiTable, table=True):
    """A user in an org: what things belong to."""

    __tablename__ = "owner"
    __table_args__ = (UniqueConstraint("org_id", "user_id"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    org_id: str = Field(foreign_key="org.id", max_length=32)
    user_id: str = Field(foreign_key="account.id", index=True, max_length=32)
    org_admin: bool = False
    created_at: float


class BrowserSession(ApiTable, table=True):
    """A signed-in browser."""

    __tablename__ = "browser_session"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    secret_hash: str = Field(unique=True, max_length=64)
    user_id: str = Field(foreign_key="account.id", index=True, max_length=32)
    created_at: float
    expires_at: float


class ApiToken(ApiTable, table=True):
    """A token of the API: a person's own, or the one of a resource.

    With refresh tokens it is a family: its text changes with every refresh, its row stays.
    """

    __tablename__ = "api_token"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    text_hash: str = Field(max_length=64)
    user_id: str = Field(foreign_key="account.id", index=True, max_length=32)
    owner_id: str | None = Field(default=None, foreign_key="owner.id", max_length=32)
    """The owner that a resource's token acts as; None: all owners of its user."""
    resource_id: str | None = Field(default=None, index=True, max_length=32)
    resource_type: str | None = Field(default=None, max_length=32)
    scope: str | None = None
    """What it may do, in the words of ``scopes.py``; None: all that its user or owner may."""
    description: str = Field(default="", max_length=255)
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    expires_in: int | None = None
    """Seconds that each text lives; given again at every refresh."""
    refresh_expires_in: int | None = None
    """Seconds that each refresh token lives; None with ``refreshable``: without an end."""
    refreshable: bool = False


class RefreshToken(ApiTable, table=True):
    """A refresh token: used once, for a new text of its API token and a successor of itself."""

    __tablename__ = "refresh_token"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    text_hash: str = Field(unique=True, max_length=64)
    token_id: str = Field(foreign_key="api_token.id", index=True, max_length=32)
    predecessor_id: str | None = Field(default=None, max_length=32)
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    replaced_at: float | None = None
    """Its answer was lost: the predecessor was used again, and got another successor."""


class SignInLink(ApiTable, table=True):
    """A link that opens one session, once."""

    __tablename__ = "sign_in_link"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    code_hash: str = Field(unique=True, max_length=64)
    user_id: str = Field(foreign_key="account.id", max_length=32)
    expires_at: float
    used_at: float | None = None


class FailedSignIn(ApiTable, table=True):
    """How often signing in failed of late, for one user name, one address, or both together."""

    __tablename__ = "failed_sign_in"

    key: str = Field(primary_key=True, max_length=64)
    count: int
    since: float
