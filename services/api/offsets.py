"""Pages of a short list that is not rows of a table (pods): by number, from the start.

The whole list is made for each page, so this is for what is small by its nature.

    page = cut(pods, asked, order="pods")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.api.page_keys import PageAsked, PageEnds

T = TypeVar("T")


@dataclass(frozen=True)
class Cut(PageEnds, Generic[T]):
    """One page, and the keys of its neighbours."""

    items: Sequence[T]


def cut(items: Sequence[T], asked: PageAsked, *, order: str) -> Cut[T]:
    """Return the page that a client asks for: from ``next_key`` on, or the one up to ``prev_key``.

    Raises:
        Invalid: the key is not one that a list of this order gave out.
    """
    if asked.prev_key:
        (end,) = asked.keys.read(order, asked.prev_key)
        start = max(end - asked.size, 0)
    else:
        (start,) = asked.keys.read(order, asked.next_key) if asked.next_key else (0,)
        end = start + asked.size
    return Cut(
        items=items[start:end],
        prev_key=asked.keys.make(order, (start,)) if start else None,
        next_key=asked.keys.make(order, (end,)) if end < len(items) else None,
    )
