"""Every error Cassini raises on purpose.

    CassiniError
      CallerError          the caller can do something about it; becomes a 4xx
        Invalid            what was sent is not acceptable
        Unauthenticated    nobody known is calling
        Forbidden          known, but not allowed
        NotFound           not there, or not to be seen by the caller
        Conflict           not in this state
        OverQuota          no room left under a limit
      Retry                not now; again after so many seconds, as often as it takes
      BackendError         an outside system cannot be reached; again with back-off
      GiveUp               will never work as asked; ends in ``error`` with the reason

Background work repeats ``Retry`` and ``BackendError`` without limit, with back-off and their
message shown; anything that is not a CassiniError counts to eight and is then given up.
"""

from typing import Any


class CassiniError(Exception):
    """Base: a sentence for people, a word for machines, and context for the log."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.context = context


class CallerError(CassiniError):
    """The caller can do something about it."""

    code = "bad_request"


class Invalid(CallerError):
    """What was sent is not acceptable."""

    code = "invalid"


class Unauthenticated(CallerError):
    """Nobody known is calling."""

    code = "unauthenticated"


class Forbidden(CallerError):
    """The caller is known, but may not do this."""

    code = "forbidden"


class NotFound(CallerError):
    """Not there, or not to be seen by the caller."""

    code = "not_found"


class Conflict(CallerError):
    """Not possible in the present state."""

    code = "conflict"


class OverQuota(CallerError):
    """No room left under a limit."""

    code = "over_quota"


class Retry(CassiniError):
    """Not now: try again after so many seconds.

    ``reason`` is the CamelCase word that the resource's fact will carry meanwhile.
    """

    code = "retry"

    def __init__(
        self, message: str, *, after: float, reason: str = "Retrying", **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.after = after
        self.reason = reason


class BackendError(CassiniError):
    """An outside system (backend, store, broker, database) cannot be reached or failed."""

    code = "backend_error"


class GiveUp(CassiniError):
    """This will never work as asked: show the reason and stop trying.

    ``reason`` is the CamelCase word that the resource's fact will carry.
    """

    code = "gave_up"

    def __init__(self, message: str, *, reason: str, **context: Any) -> None:
        super().__init__(message, **context)
        self.reason = reason
