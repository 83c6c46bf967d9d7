"""The encrypted local store: one file a credential, written whole or not at all.

Each file is a libsodium secret box (PyNaCl ``SecretBox``: XSalsa20-Poly1305) under a key of its
own file (mode 0600), so a copy of the store without the key tells nothing but ids and sizes. The
id is inside too: a file renamed to another id is refused.
"""

import asyncio
import json
import os
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from cassini.runtime.errors import BackendError
from cassini.runtime.sealing import secret_file
from services.secrets.stores.base import StoredValue


class LocalStore:
    """Keeps values in files of a directory."""

    def __init__(self, directory: Path, key_file: Path) -> None:
        self._directory = directory
        self._box = SecretBox(secret_file(key_file, SecretBox.KEY_SIZE))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, credential_id: str, value: StoredValue) -> None:
        """Keep a value in the place of what was there."""
        content = {
            "id": credential_id,
            "generation": value.generation,
            "value_id": value.value_id,
            "value": value.value,
        }
        box = self._box.encrypt(json.dumps(content).encode())
        await asyncio.to_thread(self._write, credential_id, bytes(box))

    async def get(self, credential_id: str) -> StoredValue | None:
        """Return what is kept; None where nothing is."""
        box = await asyncio.to_thread(self._read, credential_id)
        if box is None:
            return None
        try:
            content = json.loads(self._box.decrypt(box))
        except CryptoError:
            raise BackendError(
                f"the stored value of credential {credential_id} cannot be opened: its file was "
                "damaged, or the key file is not the one it was written with"
            ) from None
        if content["id"] != credential_id:
            raise BackendError(f"the file of credential {credential_id} is another credential's")
        return StoredValue(content["generation"], content["value_id"], content["value"])

    async def delete(self, credential_id: str) -> None:
        """Forget a value; success if there is none."""
        await asyncio.to_thread(self._path(credential_id).unlink, missing_ok=True)

    def _path(self, credential_id: str) -> Path:
        return self._directory / f"{credential_id}.box"

    def _read(self, credential_id: str) -> bytes | None:
        try:
            return self._path(credential_id).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackendError(f"the secret store cannot be read: {error.strerror}") from error

    def _write(self, credential_id: str, box: bytes) -> None:
        path = self._path(credential_id)
        draft = path.with_suffix(".draft")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(box)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            self._sync_directory()
        except OSError as error:
            raise BackendError(f"the secret store cannot be written: {error.strerror}") from error

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
