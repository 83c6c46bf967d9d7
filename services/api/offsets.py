"""Pages of what is not rows of a table (log lines, pods): by number, from the start.

page = cut(lines, prev_key=..., next_key=..., size=...)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cassini.runtime.errors import Invalid

_KEY = re.compile(r"[0-9]{1,9}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True)
class Cut(Generic[T]):
    """One page, and the keys of its neighbours."""

    items: Sequence[T]
    prev_key: str | None
    next_key: str | None

    def keys(self) -> dict[str, str | None]:
        """Return both keys, to be passed on to the answer."""
        return {"prev_key": self.prev_key, "next_key": self.next_key}


def cut(items: Sequence[T], *, prev_key: str | None, next_key: str | None, size: int) -> Cut[T]:
    """Return the page that a client asks for: from ``next_key`` on, or the one up to ``prev_key``.

    Raises:
        Invalid: a key is not one that was given out.
    """
    start = _number(next_key) if next_key else max(_number(prev_key) - size, 0)
    end = start + size
    return Cut(
        items=items[start:end],
        prev_key=str(start) if start else None,
        next_key=str(end) if end < len(items) else None,
    )


def _number(key: str | None) -> int:
    if not key:
        return 0
    if not _KEY.fullmatch(key):
        raise Invalid("the page key is not one that this list gave out", code="bad_page_key")
    return int(key)
