"""Small pieces of the wire format that every slice shares."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, overload
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, WithJsonSchema, model_validator

_COLOURS = ("#2f6f8f", "#7a4f9a", "#3d7d4e", "#a1572c", "#8a3b52", "#4a5a8c")


class WireIn(BaseModel):
    """Base of what clients send: fields nobody knows are ignored, as clients send extras."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class WireChange(WireIn):
    """Base of changes: what is not sent stays as it is, so a field's default says nothing."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)


class WireOut(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


class RecipePart(BaseModel):
    """Base of a recipe and its parts, in both directions.

    Fields nobody knows are kept aside (``model_extra``), so that they can be named; null stands
    for what is left out, as the clients send it, except where it has a meaning of its own.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    null_means_something: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        kept = cls.null_means_something
        return {key: value for key, value in sent.items() if value is not None or key in kept}


DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A date and time in UTC as ``timestamp`` and ``instant`` write it."""

Url = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]


def timestamp(seconds: float) -> DateTime:
    """Return Unix seconds as most ``created_at`` are written: UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


@overload
def instant(seconds: float) -> DateTime: ...
@overload
def instant(seconds: None) -> None: ...
@overload
def instant(seconds: float | None) -> DateTime | None: ...
def instant(seconds: float | None) -> DateTime | None:
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
