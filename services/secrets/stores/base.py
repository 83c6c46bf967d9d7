"""What the secrets service asks of a store."""

from dataclasses import dataclass
from typing import Protocol


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
    """Keeps values. All calls raise ``BackendError`` when the place cannot be reached."""

    async def put(self, credential_id: str, value: StoredValue) -> None:
        """Keep a value in the place of what was there; when this returns it is durable."""

    async def get(self, credential_id: str) -> StoredValue | None:
        """Return what is kept; None where nothing is."""

    async def delete(self, credential_id: str) -> None:
        """Forget a value; success if there is none."""
