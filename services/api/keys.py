"""The api's own secret keys: one signs API tokens, one makes the derived tokens of JupyterLab.

Each is 32 random bytes in a file of mode 0600, made on first use. Who has the first can make
tokens but still needs a row of that token's hash in the database.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cassini.runtime.sealing import secret_file

_KEY_BYTES = 32


@dataclass(frozen=True)
class ApiKeys:
    """The two keys; their values never show in a representation."""

    token: bytes = field(repr=False)
    """Signs API tokens (HS256)."""
    hmac: bytes = field(repr=False)
    """Derives the tokens of running workspaces from their id and revision."""


def load_keys(directory: Path) -> ApiKeys:
    """Return the keys kept in a directory, made on first use (blocks: call it in a thread)."""
    return ApiKeys(
        token=secret_file(directory / "api-tokens.key", _KEY_BYTES),
        hmac=secret_file(directory / "api-derived.key", _KEY_BYTES),
    )
