"""Small pieces of the wire format that every slice shares."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, WithJsonSchema

_COLOURS = ("#2f6f8f", "#7a4f9a", "#3d7d4e", "#a1572c", "#8a3b52", "#4a5a8c")


class WireIn(BaseModel):
    """Base of what clients send: fields nobody knows are ignored, as clients send extras."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class WireOut(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A date and time in UTC as ``timestamp`` and ``instant`` write it."""


def timestamp(seconds: float) -> str:
    """Return Unix seconds as most ``created_at`` are written: UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def instant(seconds: float | None) -> str | None:
    """Return Unix seconds as an ISO 8601 date and time in UTC; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


@lru_cache(maxsize=1024)
def avatar(name: str) -> str:
    """Return the address of a small picture: the first letter on a colour (a ``data:`` URL)."""
    colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<circle cx="16" cy="16" r="16" fill="{colour}"/><text x="16" y="21" fill="#fff" '
        'font-family="sans-serif" font-size="15" text-anchor="middle">'
        f"{name[:1].upper()}</text></svg>"
    )
    return "data:image/svg+xml," + quote(picture)
