"""Signed requests between services: who asks is proved, what is asked cannot be changed.

Two services share a key that each computes from its own private key and the other's public one
(X25519, PyNaCl ``Box.shared_key``), so nothing has to be handed out beside the sealing keys. The
signature is an HMAC-SHA256 over method, path with query, and time; it holds for a minute. Both
sides try all keys they have, so that keys can be rotated. Only reading is asked for in this way,
so a request that is sent a second time within the minute does no harm.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence

from nacl.public import Box, PrivateKey, PublicKey

from cassini.contracts.resources import ServiceName
from cassini.runtime.clock import Clock
from cassini.runtime.errors import Unauthenticated

_SCHEME = "Cassini"
_SECONDS = 60.0


class RequestSigner:
    """Signs one service's requests to another."""

    def __init__(
        self, service: ServiceName, private_key: PrivateKey, asked: PublicKey, clock: Clock
    ) -> None:
        self._service = service
        self._key = Box(private_key, asked).shared_key()
        self._clock = clock

    def sign(self, method: str, target: str) -> str:
        """Return the ``Authorization`` header of a request; ``target`` is path and query."""
        at = f"{self._clock.now():.0f}"
        return f"{_SCHEME} {self._service}:{at}:{_signature(self._key, method, target, at)}"


class RequestVerifier:
    """Checks who asks this service."""

    def __init__(
        self,
        private_keys: Sequence[PrivateKey],
        callers: Iterable[tuple[ServiceName, PublicKey]],
        clock: Clock,
    ) -> None:
        """``callers``: the public keys of all services that may ask; one may have several."""
        self._keys: dict[str, list[bytes]] = {}
        for name, public_key in callers:
            shared = (Box(private, public_key).shared_key() for private in private_keys)
            self._keys.setdefault(str(name), []).extend(shared)
        self._clock = clock

    def check(self, method: str, target: str, header: str) -> None:
        """Let a request pass.

        Raises:
            Unauthenticated: it is not signed by a service that may ask, or too old.
        """
        scheme, _, rest = header.partition(" ")
        name, at, given = (*rest.split(":"), "", "", "")[:3]
        recent = at.isdigit() and abs(self._clock.now() - float(at)) <= _SECONDS
        expected = self._expected(name, method, target, at)
        matches = [hmac.compare_digest(each, given.encode()) for each in expected]
        if scheme != _SCHEME or not recent or not any(matches):
            raise Unauthenticated("this request is not signed by a service that may ask")

    def _expected(self, name: str, method: str, target: str, at: str) -> Iterator[bytes]:
        for key in self._keys.get(name, ()):
            yield _signature(key, method, target, at).encode()


def _signature(key: bytes, method: str, target: str, at: str) -> str:
    text = f"{method}\n{target}\n{at}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
