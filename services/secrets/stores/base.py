"""What the secrets service asks of a store."""

from dataclasses import dataclass
from typing import Protocol

from cassini.runtime.errors import BackendError, CassiniError


class StoreUnavailable(BackendError):
    """The store cannot be used now, for any credential: sealed, out of reach, access refused."""

    code = "store_unavailable"


class NewerKept(CassiniError):
    """What is kept, or was deleted, is of a later generation than what is asked for."""

    code = "newer_kept"

    def __init__(self, credential_id: str, generation: int) -> None:
        super().__init__(f"credential {credential_id} is kept at generation {generation} already")
        self.generation = generation


@dataclass(frozen=True)
class StoredValue:
    """A value as it is kept: with the generation and the id it was set under."""

    generation: int
    value_id: str
    value: str

    def __repr__(self) -> str:
        """Show everything but the value: this may end in a log line or a traceback."""
        return f"StoredValue(generation={self.generation}, value_id={self.value_id!r})"


class Store(Protocol):
    """Keeps values. All calls raise ``StoreUnavailable`` when the place cannot be used.

    A replica that was held up may come with an older wish after another one did the newer, so a
    store compares generations and writes in one step that nothing comes between.
    """

    async def put(self, credential_id: str, value: StoredValue) -> None:
        """Keep a value in the place of what was there; when this returns it is durable.

        Raises:
            NewerKept: a value of a later generation is there.
        """

    async def get(self, credential_id: str) -> StoredValue | None:
        """Return what is kept; None where nothing is."""

    async def delete(self, credential_id: str, *, generation: int) -> None:
        """Forget the value of this generation and earlier ones; success if there is none.

        Raises:
            NewerKept: a value of a later generation is there.
        """

    async def check(self) -> None:
        """Return if values could be read now.

        Raises:
            StoreUnavailable: they could not; the message says why and what to do.
        """

    async def keep_open(self) -> None:
        """Do what the store needs to stay usable (a login that ends), until cancelled."""
