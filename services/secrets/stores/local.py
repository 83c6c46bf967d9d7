"""The encrypted local store: one file a credential, written whole or not at all.

Each file is a libsodium secret box (PyNaCl ``SecretBox``: XSalsa20-Poly1305) under a key of its
own file (mode 0600), so a copy of the store without the key tells nothing but ids and sizes. The
id is inside too: a file renamed to another id is refused. Who writes holds a lock on the directory
from comparing generations to the end, so an older value never takes the place of a newer one; of a
deleted value nothing stays, so that rule ends with its deletion.
"""

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from cassini.runtime.errors import BackendError
from cassini.runtime.sealing import secret_file
from services.secrets.stores.base import NewerKept, StoredValue, StoreUnavailable


class LocalStore:
    """Keeps values in files of a directory."""

    def __init__(self, directory: Path, key_file: Path) -> None:
        self._directory = directory
        self._box = SecretBox(secret_file(key_file, SecretBox.KEY_SIZE))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, credential_id: str, value: StoredValue) -> None:
        """Keep a value in the place of what was there, if that is not newer."""
        await asyncio.to_thread(self._put, credential_id, value)

    async def get(self, credential_id: str) -> StoredValue | None:
        """Return what is kept; None where nothing is."""
        return await asyncio.to_thread(self._get, credential_id)

    async def delete(self, credential_id: str, *, generation: int) -> None:
        """Forget a value, if it is not newer; success if there is none."""
        await asyncio.to_thread(self._delete, credential_id, generation)

    async def check(self) -> None:
        """Return if the directory can be used."""
        if not await asyncio.to_thread(os.access, self._directory, os.R_OK | os.W_OK | os.X_OK):
            raise StoreUnavailable(
                f"the secret store {self._directory} cannot be used: see that it is there and "
                "belongs to the user that runs Cassini"
            )

    async def keep_open(self) -> None:
        """Wait until cancelled: files need nothing."""
        await asyncio.get_running_loop().create_future()

    def _path(self, credential_id: str) -> Path:
        return self._directory / f"{credential_id}.box"

    def _put(self, credential_id: str, value: StoredValue) -> None:
        content = {
            "id": credential_id,
            "generation": value.generation,
            "value_id": value.value_id,
            "value": value.value,
        }
        box = bytes(self._box.encrypt(json.dumps(content).encode()))
        with self._unless_newer(credential_id, value.generation) as directory:
            self._write(self._path(credential_id), box)
            os.fsync(directory)

    def _get(self, credential_id: str) -> StoredValue | None:
        box = self._read(credential_id)
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

    def _delete(self, credential_id: str, generation: int) -> None:
        with self._unless_newer(credential_id, generation):
            self._path(credential_id).unlink(missing_ok=True)

    @contextmanager
    def _unless_newer(self, credential_id: str, generation: int) -> Iterator[int]:
        """Hold the store for one write; yields the directory's descriptor."""
        try:
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                fcntl.flock(directory, fcntl.LOCK_EX)
                kept = self._kept_generation(credential_id)
                if kept is not None and kept > generation:
                    raise NewerKept(credential_id, kept)
                yield directory
            finally:
                os.close(directory)
        except OSError as error:
            raise StoreUnavailable(
                f"the secret store cannot be written: {error.strerror}"
            ) from error

    def _kept_generation(self, credential_id: str) -> int | None:
        """Return the generation that is kept; None also where nobody can read the file any more."""
        try:
            kept = self._get(credential_id)
        except StoreUnavailable:
            raise
        except BackendError:
            return None
        return None if kept is None else kept.generation

    def _read(self, credential_id: str) -> bytes | None:
        try:
            return self._path(credential_id).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(f"the secret store cannot be read: {error.strerror}") from error

    def _write(self, path: Path, box: bytes) -> None:
        """Write a file whole; the draft is this writer's own (mode 0600)."""
        descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=f"{path.name}.")
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(box)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
