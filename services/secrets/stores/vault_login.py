"""The login at Vault: got when it is first needed, renewed before it ends, made anew when refused.

A token is renewed after 50 to 75 % of its life, by chance, so that replicas do not come together.
Where it cannot be renewed, or comes near the longest life it may have, another one is got; a token
that was put into a file can only be read again. A refused call means a token that was revoked, or a
policy that does not allow it: the first is answered by a new login at once, the second at most
every ten seconds, since a new login brings new policies.

All methods block, and may be called by many threads; one of them logs in, the others wait for it.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from services.secrets.stores.base import StoreUnavailable
from services.secrets.stores.vault_errors import AccessRefused

T = TypeVar("T")

_NEW_POLICIES_SECONDS = 10.0
_LONGEST_SLEEP = 3600.0
_SHORTEST_SLEEP = 0.25


@dataclass(frozen=True)
class Granted:
    """A token that was got or renewed."""

    token: str = field(repr=False)
    seconds: float
    """How long it lives; 0: without end."""
    renewable: bool


class Door(Protocol):
    """What the login needs of the client."""

    def login(self) -> Granted:
        """Log in as the settings say and use that token from now on."""

    def renew(self) -> Granted:
        """Renew the token in use."""

    def known(self) -> bool:
        """Say whether the server knows the token in use."""


class Login:
    """The token in use."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._lock = threading.Lock()
        self._granted: Granted | None = None
        self._full = 0.0
        """The life of the token when it was got; a renewal that gives much less is the last."""
        self._since = self._renew_at = 0.0
        self._number = 0
        self._failure: tuple[float, str] = (-1.0, "")

    def call(self, work: Callable[[], T]) -> T:
        """Do something with a token; once more with a new one where it was refused."""
        number = self._ensure()
        try:
            return work()
        except AccessRefused:
            if not self._replaced(number):
                raise
        return work()

    def keep(self) -> float:
        """Log in or renew where it is time; returns the seconds until it is time again."""
        self._ensure()
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._renew()
            wait = self._renew_at - time.monotonic()
        return min(max(wait, _SHORTEST_SLEEP), _LONGEST_SLEEP)

    def _ensure(self) -> int:
        began = time.monotonic()
        with self._lock:
            if self._granted is None or self._ended(self._granted):
                self._log_in(began)
            return self._number

    def _replaced(self, number: int) -> bool:
        """Return whether there is another token than the one that was refused."""
        began = time.monotonic()
        with self._lock:
            if self._number == number:
                fresh = began - self._since < _NEW_POLICIES_SECONDS
                if fresh and self._door.known():
                    return False
                self._log_in(began)
            return True

    def _renew(self) -> None:
        granted = self._granted
        if granted is None or not granted.renewable:
            self._log_in(time.monotonic())
            return
        try:
            renewed = self._door.renew()
        except AccessRefused:
            self._log_in(time.monotonic())
            return
        if renewed.seconds < self._full / 2:
            self._log_in(time.monotonic())
        else:
            self._take(renewed)

    def _log_in(self, began: float) -> None:
        """Get another token; who has waited while that failed for others fails in the same way."""
        failed, message = self._failure
        if failed > began:
            raise StoreUnavailable(message)
        try:
            granted = self._door.login()
        except StoreUnavailable as error:
            self._failure = (time.monotonic(), error.message)
            raise
        self._full = granted.seconds
        self._since = time.monotonic()
        self._number += 1
        self._take(granted)

    def _take(self, granted: Granted) -> None:
        self._granted = granted
        share = random.uniform(0.5, 0.75)  # noqa: S311 - spreads the renewals of replicas
        self._renew_at = time.monotonic() + (granted.seconds * share or _LONGEST_SLEEP)
        self._ends_at = time.monotonic() + granted.seconds

    def _ended(self, granted: Granted) -> bool:
        return granted.seconds > 0 and time.monotonic() >= self._ends_at
