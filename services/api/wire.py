"""Small pieces of the wire format that every slice shares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, overload
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_COLOURS = ("#2f6f8f", "#7a4f9a", "#3d7d4e", "#a1572c", "#8a3b52", "#4a5a8c")


class Sent(BaseModel):
    """Base of all that clients send: types are taken as the description says them.

    0 is no boolean and "5" no number; 1.0 is 1, since JSON has one kind of number. A field whose
    Python type JSON does not have (an enum, a tuple) needs ``Field(strict=False)``.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {name: _whole(value) for name, value in content.items()}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class WireIn(Sent):
    """Base of what clients send: fields nobody knows are ignored, as clients send extras."""

    model_config = ConfigDict(extra="ignore")


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class WireChange(WireIn):
    """Base of changes: what is not sent stays as it is, so a field's default says nothing."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)


class WireOut(BaseModel):
    """Base of what is answered: every field is always there, as the description says."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class RecipePart(Sent):
    """Base of a recipe and its parts, in both directions.

    Fields nobody knows are kept aside (``model_extra``), so that they can be named; null stands
    for what is left out, as the clients send it, except where it has a meaning of its own. What is
    answered leaves out instead, and is described so.
    """

    model_config = ConfigDict(extra="allow")

    null_means_something: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        kept = cls.null_means_something
        return {key: value for key, value in sent.items() if value is not None or key in kept}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema).get("properties", {})
        for name in fields.keys() - cls.null_means_something:
            if handler.mode == "serialization":
                fields[name] = without_null(fields[name])
        return schema


def without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON schema that does not allow null."""
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    given = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(given) == 1:
        return {**rest, **given[0]}
    return {**rest, "anyOf": given} if given else rest


DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A date and time in UTC as ``timestamp`` and ``instant`` write it."""

Url = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]

HardwareType = Literal["CPU", "NVIDIA", "AMD"]


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
