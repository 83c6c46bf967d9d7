"""A locked account may do nothing, whatever proof is shown."""

from cassini.runtime.errors import Forbidden
from services.api.auth.models import User


def refuse_locked(user: User) -> None:
    """Let a user go on whose account is not locked.

    Raises:
        Forbidden: it is locked; the message says why where a reason was given.
    """
    if user.locked:
        reason = f": {user.locked_reason}" if user.locked_reason else ""
        raise Forbidden(f"the account {user.username} is locked{reason}", code="locked")
