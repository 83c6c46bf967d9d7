"""Who is calling, as every route sees it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Caller:
    """A known caller: a person in a browser, or the holder of a token.

    A resource token acts for its resource's owner, on that resource only, and never as an admin.
    """

    user_id: str
    username: str
    is_admin: bool
    owner_ids: frozenset[str]
    """The owners that the caller may act as."""
    default_owner_id: str
    token_id: str | None
    """The API token that was shown; None in a browser session."""
    resource_id: str | None
    """Set for a resource token: the one resource that it may touch."""
    via: Literal["session", "token"]
