"""One form for schemas of OpenAPI 3.0 and 3.1, so that the two can be compared.

References are followed, ``allOf`` is merged, ``nullable`` and the type ``null`` are one thing,
``const`` is an enum of one, and what is left of ``oneOf`` and ``anyOf`` stands side by side.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

BOUNDS = (
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_FORMATS = {"url": "uri", "%Y-%m-%dT%H:%M:%S+00:00": "date-time"}
_KNOWN_FORMATS = frozenset({"date-time", "date", "email", "uri", "uuid"})


@dataclass(frozen=True)
class Shape:
    """One thing that a value can be; a nullable value has this shape or is null."""

    types: frozenset[str] = frozenset()
    """JSON types without ``null``; empty: any."""
    enum: frozenset[Any] | None = None
    format: str | None = None
    """Only those of ``_KNOWN_FORMATS``: others tell people something, and refuse nothing."""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Schema | None = None
    entries: Schema | None = None
    """What a map has under its keys."""

    @property
    def is_empty(self) -> bool:
        """Whether it is a list or a map that never holds anything."""
        return 0 in (self.bounds.get("maxItems"), self.bounds.get("maxProperties"))


@dataclass(frozen=True)
class Value:
    """What a value can be: one of these shapes, or null."""

    shapes: tuple[Shape, ...]
    nullable: bool
    default: Any


class Document:
    """An OpenAPI document whose schemas can be read."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a reference refers to; anything else as it is."""
        while "$ref" in node:
            found: Any = self.content
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def value(self, schema: Schema, *, without: str = "") -> Value:
        """Return what a schema lets a value be, without the fields that have this keyword."""
        merged = self._merged(schema)
        alternatives = list(self._alternatives(merged))
        shapes = tuple(self._shape(each, without) for each in alternatives if not _is_null(each))
        nullable = any(_may_be_null(each) for each in (merged, *alternatives))
        return Value(shapes, nullable, merged.get("default"))

    def _merged(self, schema: Schema) -> dict[str, Any]:
        """Return a schema with its references and ``allOf`` put into one."""
        base = self.resolve(schema)
        beside = {key: content for key, content in schema.items() if key != "$ref"}
        merged: dict[str, Any] = {**base, **beside}
        for part in map(self._merged, merged.pop("allOf", ())):
            fields = {**merged.get("properties", {}), **part.pop("properties", {})}
            required = [*merged.get("required", ()), *part.pop("required", ())]
            merged = {**part, **merged, "properties": fields, "required": required}
        return merged

    def _alternatives(self, merged: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        parts = merged.get("oneOf") or merged.get("anyOf")
        if not parts:
            yield merged
            return
        for part in parts:
            yield from self._alternatives(self._merged(part))

    def _shape(self, schema: Mapping[str, Any], without: str) -> Shape:
        said = schema.get("type", ())
        types = frozenset([said] if isinstance(said, str) else said) - {"null"}
        words = [schema["const"]] if "const" in schema else schema.get("enum")
        fields = schema.get("properties", {})
        left_out = {name for name in fields if without and self._merged(fields[name]).get(without)}
        kind = _FORMATS.get(schema.get("format", ""), schema.get("format"))
        more = schema.get("additionalProperties")
        return Shape(
            types=types or (frozenset({"object"}) if fields else frozenset()),
            enum=None if words is None else frozenset(word for word in words if word is not None),
            format=kind if kind in _KNOWN_FORMATS else None,
            bounds={name: _plain(schema[name]) for name in BOUNDS if name in schema},
            properties={name: fields[name] for name in fields if name not in left_out},
            required=frozenset(schema.get("required", ())) - left_out,
            items=schema.get("items"),
            entries=more if isinstance(more, Mapping) and not fields else None,
        )


def _plain(bound: Any) -> Any:
    """Return a pattern in one spelling: groups that only group, digits and slashes plain."""
    if not isinstance(bound, str):
        return bound
    grouped = re.sub(r"\((\?P?<\w+>|(?!\?))", "(?:", bound)
    return grouped.replace("\\/", "/").replace("\\d", "0-9")


def _is_null(schema: Schema) -> bool:
    return schema.get("type") == "null" or schema.get("enum") == [None]


def _may_be_null(schema: Schema) -> bool:
    said = schema.get("type", ())
    return (
        bool(schema.get("nullable"))
        or _is_null(schema)
        or (not isinstance(said, str) and "null" in said)
        or None in schema.get("enum", ())
    )
