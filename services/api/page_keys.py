"""Keys of pages: where in a list a page ends, signed so that only what was given out is taken.

A key is base64 of a signature and of the place where a page ends, as JSON. The signature is the
first 16 bytes of an HMAC-SHA256 under the api's own key, over the name of the list's order and the
place: a key that was changed, or that another list gave out, is refused.

``paging.py`` uses them for rows of a table, ``offsets.py`` for whatever has no such order.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Query

from cassini.runtime.errors import Invalid
from services.api.context import ContextDep

_SIGNATURE_BYTES = 16
_LONGEST = 400
_PATTERN = rf"^([A-Za-z0-9_-]{{24,{_LONGEST}}})?$"
_KEY: dict[str, Any] = {
    "max_length": _LONGEST,
    "pattern": _PATTERN,
    "json_schema_extra": {"format": "page-key"},
}

PrevKey = Annotated[str, Query(description="Previous page key.", **_KEY)]
NextKey = Annotated[str, Query(description="Next page key.", **_KEY)]


@dataclass(frozen=True)
class PageKeys:
    """Makes and reads the keys of pages."""

    secret: bytes = field(repr=False)

    def make(self, order: str, place: Sequence[float | str]) -> str:
        """Return the key of a place in a list of this order."""
        content = json.dumps(place, separators=(",", ":")).encode()
        return _text(self._signature(order, content) + content)

    def read(self, order: str, key: str) -> list[Any]:
        """Return the place that a key was made of.

        Raises:
            Invalid: it was not given out by a list of this order.
        """
        try:
            signed = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        except ValueError:
            raise _bad_key() from None
        signature, content = signed[:_SIGNATURE_BYTES], signed[_SIGNATURE_BYTES:]
        # The last letter of base64 has bits that say nothing: only one spelling is ours.
        is_ours = hmac.compare_digest(signature, self._signature(order, content))
        if not is_ours or _text(signed) != key:
            raise _bad_key()
        place: list[Any] = json.loads(content)
        return place

    def _signature(self, order: str, content: bytes) -> bytes:
        message = b"page key\n" + order.encode() + b"\n" + content
        return hmac.digest(self.secret, message, hashlib.sha256)[:_SIGNATURE_BYTES]


@dataclass(frozen=True)
class PageAsked:
    """The page a client asks for; with neither key the first one."""

    keys: PageKeys
    size: int = 100
    prev_key: str = ""
    next_key: str = ""


@dataclass(frozen=True)
class PageEnds:
    """The keys of a page's neighbours."""

    prev_key: str | None
    next_key: str | None

    def keys(self) -> dict[str, str | None]:
        """Return both keys, to be passed on to the answer."""
        return {"prev_key": self.prev_key, "next_key": self.next_key}


def page_asked(
    api: ContextDep,
    prev_key: PrevKey = "",
    next_key: NextKey = "",
    page_size: Annotated[int, Query(ge=1, le=1000, description="Page size.")] = 100,
) -> PageAsked:
    """Read the page that a query string asks for.

    Raises:
        Invalid: both keys are there.
    """
    if prev_key and next_key:
        raise Invalid("give prev_key or next_key, not both", code="bad_page_key")
    return PageAsked(PageKeys(api.keys.hmac), page_size, prev_key, next_key)


PageAskedDep = Annotated[PageAsked, Depends(page_asked)]


def _text(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def _bad_key() -> Invalid:
    return Invalid(
        "the page key is not one that this list gave out: start again without it",
        code="bad_page_key",
    )
