"""How often a delivery is tried: the same on every bus.

What lies outside the reader (its database, the broker, a store) is waited for without limit. The
reader's own error is tried again a few times, for it may be of the moment; then the event is a
dead letter, which a person looks at.
"""

from cassini.runtime.database import is_outage
from cassini.runtime.errors import BackendError, Retry

MOST_TRIES = 8
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 60.0
_LONGEST_OUTAGE_DELAY = 5.0


def backoff(tries: int) -> float:
    """Return the seconds to wait after so many failures."""
    return float(min(_FIRST_DELAY * 2 ** min(tries, 16), _LONGEST_DELAY))


def outage_backoff(tries: int) -> float:
    """Return the seconds until the next look after something outside that is away.

    However long it was away, work goes on soon after it is back.
    """
    return min(backoff(tries), _LONGEST_OUTAGE_DELAY)


def is_outside(error: Exception) -> bool:
    """Say whether an error is of something beside the reader, which will come back."""
    return isinstance(error, BackendError | Retry) or is_outage(error)


def told(error: Exception) -> str:
    """Return an error as it is kept with a dead letter."""
    return f"{type(error).__name__}: {error}"[:2000]
