"""Who is calling, as every route sees it."""

from dataclasses import dataclass
from typing import Literal

from services.api.auth.scopes import Scope


@dataclass(frozen=True)
class Caller:
    """A known caller: a person in a browser, or the holder of a token.

    A resource's token acts for its resource's owner and never as an admin; ``scope`` says what of
    that it may do. A token that is for some resources only is no admin's either, whoever made it.
    """

    user_id: str
    username: str
    is_admin: bool
    owner_ids: frozenset[str]
    """The owners that the caller may act as."""
    default_owner_id: str
    default_org_id: str
    """The org that is meant where none is named."""
    admin_of: frozenset[str]
    """The ids of the orgs whose admin the caller is."""
    token_id: str | None
    """The API token that was shown; None in a browser session."""
    resource_id: str | None
    """Set for a resource's token: the resource that it was made for."""
    scope: Scope
    via: Literal["session", "token"]
