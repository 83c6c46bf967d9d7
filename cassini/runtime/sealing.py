"""Sealed texts: values that only one service can read, bound to what they are for.

A value is sealed to the reader's static public key with libsodium's sealed boxes (PyNaCl
``SealedBox``: X25519, XSalsa20-Poly1305). Inside stand the id, the generation and the reader, and
they are checked on opening, so a sealed text cannot be moved to another resource or replayed with
an older wish. A reader opens with any of its keys, so that they can be rotated.
"""

import base64
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import BaseModel, ValidationError

from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import GiveUp


class SealedTextRefused(GiveUp):
    """The sealed text is not for this reader, this id or this generation."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="SealedTextRefused")


class _Inside(BaseModel):
    id: str
    generation: int
    reader: ServiceName
    value: str


class Sealer:
    """Seals values to other services, by their public keys."""

    def __init__(self, public_keys: dict[ServiceName, PublicKey]) -> None:
        self._keys = public_keys

    def seal(self, value: str, *, reader: ServiceName, resource_id: str, generation: int) -> str:
        """Return the value as base64 text that only ``reader`` can open."""
        inside = _Inside(id=resource_id, generation=generation, reader=reader, value=value)
        box = SealedBox(self._keys[reader])
        return base64.b64encode(box.encrypt(inside.model_dump_json().encode())).decode()


class Opener:
    """Opens what was sealed to one service."""

    def __init__(self, service: ServiceName, private_keys: Sequence[PrivateKey]) -> None:
        self._service = service
        self._boxes = [SealedBox(key) for key in private_keys]

    def open(self, sealed: str, *, resource_id: str, generation: int) -> str:
        """Return the value of a text sealed for this id at this generation or an earlier one.

        An earlier generation is right for a wish that was declared again with other numbers.

        Raises:
            SealedTextRefused: it is for something else, or none of the keys opens it.
        """
        try:
            inside = _Inside.model_validate_json(self._decrypt(sealed))
        except ValidationError:
            raise SealedTextRefused("a sealed value does not say what it is for") from None
        if inside.id != resource_id or inside.reader != self._service:
            raise SealedTextRefused("a sealed value was meant for another resource or service")
        if inside.generation > generation:
            raise SealedTextRefused("a sealed value is of a later generation than its wish")
        return inside.value

    def _decrypt(self, sealed: str) -> bytes:
        try:
            content = base64.b64decode(sealed, validate=True)
        except ValueError:  # binascii.Error is one
            raise SealedTextRefused("a sealed value is not base64") from None
        for box in self._boxes:
            try:
                return bytes(box.decrypt(content))
            except CryptoError:
                continue
        raise SealedTextRefused("a sealed value was not sealed to any key of this service")


class KeyRing:
    """The services' keys in one directory, as the embedded form keeps them (files of mode 0600)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def private_key(self, service: ServiceName) -> PrivateKey:
        """Return a service's key, made on first use."""
        return PrivateKey(secret_file(self._directory / f"{service}.key", PrivateKey.SIZE))

    def opener(self, service: ServiceName) -> Opener:
        """Return what opens texts sealed to a service."""
        return Opener(service, [self.private_key(service)])

    def sealer(self) -> Sealer:
        """Return what seals to any service."""
        return Sealer({name: self.private_key(name).public_key for name in ServiceName})


def secret_file(path: Path, size: int) -> bytes:
    """Return the random bytes kept in a file, made on first use.

    Whoever comes second to make it reads what the first one made: the file appears whole, under
    its name, or not at all.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(size))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
