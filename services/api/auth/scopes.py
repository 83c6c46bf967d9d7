"""What a token may do: the words of its scope. Pure.

Saturn Cloud publishes no grammar, so this one is ours: words with a space between them.

- no scope (null): all that the user may do; for a resource's token, all that its owner may do.
- ``read``: look, but change nothing.
- ``<type>:<id>`` (``workspace:0123…``): this resource and no other; several words, several
  resources. A resource's own token has this scope when it is made.
"""

import re
from dataclasses import dataclass
from typing import Self

from cassini.runtime.errors import Invalid

SCOPE_PATTERN = (
    r"^(read|(workspace|deployment|job|dask):[0-9a-f]{32})"
    r"( (read|(workspace|deployment|job|dask):[0-9a-f]{32})){0,99}$"
)
LONGEST_SCOPE = 100 * len(f"deployment:{'0' * 32} ")
_SCOPE = re.compile(SCOPE_PATTERN, re.ASCII)
_READ = "read"


@dataclass(frozen=True)
class Scope:
    """What a token may do of what its holder may."""

    resources: frozenset[str] | None = None
    """The ids of the only resources that it may touch; None: all."""
    read_only: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read the words of a scope.

        Raises:
            Invalid: they are not such words; the message says what is right.
        """
        if text is None:
            return cls()
        if not _SCOPE.fullmatch(text):
            raise Invalid(
                f"{text[:90]!r} is not a scope: leave it out for everything, or write 'read', "
                "'workspace:<id>', or several of these with a space between",
                code="bad_scope",
            )
        words = text.split(" ")
        ids = frozenset(word.partition(":")[2] for word in words if word != _READ)
        return cls(resources=ids or None, read_only=_READ in words)


ALL = Scope()
