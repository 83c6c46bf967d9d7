"""Every kind of difference between what the contract says and what we say is found."""

import pytest

from tests.compatibility.shapes import Document
from tests.compatibility.values import Answers, Requests, Sides

TEXT = {"type": "string"}
NULLABLE_TEXT = {"type": "string", "nullable": True}
TEXT_OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
JOB, TEAM = {"type": "string", "enum": ["job"]}, {"type": "string", "const": "team"}
WORDS = {"type": "string", "enum": ["a", "b"]}


def thing(properties, *required, **more):
    return {"type": "object", "properties": properties, "required": list(required), **more}


def found(kind, contract, ours, *, schemas=None, our_schemas=None):
    documents = [
        Document({"components": {"schemas": schemas or {}}}),
        Document({"components": {"schemas": our_schemas or {}}}),
    ]
    differences = kind(Sides(*documents, "things_get")).compare(contract, ours, "x")
    return [f"{each.place}: {each.what}" for each in differences]


ANSWERS = {
    "equal": (TEXT, TEXT, []),
    "type": (TEXT, {"type": "integer"}, ["x: type: integer, not string"]),
    "integers are numbers": ({"type": "number"}, {"type": "integer"}, []),
    "anything": ({}, TEXT, []),
    "ours anything": (TEXT, {}, ["x: type: anything, not string"]),
    "nullable as in 3.0": (TEXT, NULLABLE_TEXT, ["x: nullable"]),
    "nullable as in 3.1": (TEXT, TEXT_OR_NULL, ["x: nullable"]),
    "both nullable": (NULLABLE_TEXT, TEXT_OR_NULL, []),
    "types in a list": (NULLABLE_TEXT, {"type": ["string", "null"]}, []),
    "never null": (NULLABLE_TEXT, TEXT, ["x: never null"]),
    "always null": (NULLABLE_TEXT, {"type": "null"}, ["x: always null"]),
    "any word": (
        {"enum": ["a", None], "type": "string", "nullable": True},
        TEXT_OR_NULL,
        ["x: enum: anything"],
    ),
    "word": (WORDS, {"enum": ["a", "c"], "type": "string"}, ["x: enum: also c"]),
    "one of the words": (WORDS, {"const": "a", "type": "string"}, []),
    "said more exactly": (TEXT, WORDS, []),
    "url is uri": ({"type": "string", "format": "url"}, {"type": "string", "format": "uri"}, []),
    "a date in words of Python": (
        {"type": "string", "format": "%Y-%m-%dT%H:%M:%S+00:00"},
        {"type": "string", "format": "date-time"},
        [],
    ),
    "format": ({"type": "string", "format": "date-time"}, TEXT, ["x: format: None, not date-time"]),
    "field": (thing({"a": TEXT}, "a"), thing({}), ["x.a: missing"]),
    "optional": (thing({"a": TEXT}), thing({}), ["x.a: missing (optional)"]),
    "required": (thing({"a": TEXT}, "a"), thing({"a": TEXT}), ["x.a: not always there"]),
    "a field of our own": (thing({}), thing({"b": TEXT}, "b"), []),
    "write only": (thing({"a": {**TEXT, "writeOnly": True}}, "a"), thing({}), []),
    "items": (
        {"type": "array", "items": TEXT},
        {"type": "array", "items": WORDS | {"type": "integer"}},
        ["x[]: type: integer, not string"],
    ),
    "a map": (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": TEXT_OR_NULL},
        ["x{}: nullable"],
    ),
    "a list that is always empty": (
        {"type": "array", "items": thing({"a": TEXT}, "a")},
        {"type": "array", "items": {}, "maxItems": 0},
        [],
    ),
    "alternatives told apart by a word": (
        {"oneOf": [thing({"kind": JOB, "a": TEXT}, "a"), thing({"kind": TEAM, "b": TEXT}, "b")]},
        thing({"kind": JOB, "b": TEXT}, "kind", "b"),
        ["x.a: missing"],
    ),
    "one of the alternatives": (
        {"oneOf": [thing({"a": TEXT}, "a"), thing({"b": TEXT}, "b")]},
        thing({"b": TEXT}, "b"),
        [],
    ),
    "an alternative of our own": (
        thing({"b": TEXT}, "b"),
        {"anyOf": [thing({"b": TEXT}, "b"), thing({"b": {"type": "integer"}}, "b")]},
        ["x.b: type: integer, not string"],
    ),
}


@pytest.mark.parametrize(("contract", "ours", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_must_be_what_the_contract_says(contract, ours, expected):
    assert found(Answers, contract, ours) == expected


REQUESTS = {
    "equal": (TEXT, TEXT, []),
    "type": (TEXT, {"type": "integer"}, ["x: type: integer, not string"]),
    "anything is taken": (TEXT, {}, []),
    "null": (NULLABLE_TEXT, TEXT, ["x: null is refused"]),
    "null is taken": (TEXT, TEXT_OR_NULL, []),
    "words": (TEXT, WORDS, ["x: enum: only a, b"]),
    "more words": (WORDS, {"type": "string", "enum": ["a", "b", "c"]}, []),
    "fewer": (WORDS, {"type": "string", "enum": ["a"]}, ["x: enum: only a"]),
    "format": (TEXT, {**TEXT, "format": "date-time"}, ["x: format: only date-time"]),
    "a format that tells people": (TEXT, {**TEXT, "format": "page-key"}, []),
    "a limit": (TEXT, {**TEXT, "maxLength": 5}, ["x: maxLength: 5, not none"]),
    "another limit": (
        {"type": "integer", "minimum": 1},
        {"type": "integer", "minimum": 2},
        ["x: minimum: 2, not 1"],
    ),
    "no limit": (
        {"type": "integer", "maximum": 9},
        {"type": "integer"},
        ["x: maximum: none, not 9"],
    ),
    "one pattern in two spellings": (
        {**TEXT, "pattern": r"^(?P<org>[a\d])\/$"},
        {**TEXT, "pattern": "^(?:[a0-9])/$"},
        [],
    ),
    "default": ({**TEXT, "default": "a"}, TEXT, ["x: default: nothing, not 'a'"]),
    "another default": (
        {**TEXT, "default": "a"},
        {**TEXT, "default": "b"},
        ["x: default: 'b', not 'a'"],
    ),
    "null by default": ({**NULLABLE_TEXT, "default": None}, TEXT_OR_NULL, []),
    "field": (thing({"a": TEXT}), thing({}), ["x.a: missing"]),
    "required": (thing({"a": TEXT}), thing({"a": TEXT}, "a"), ["x.a: required here"]),
    "own required": (thing({}), thing({"b": TEXT}, "b"), ["x.b: required here"]),
    "not required here": (thing({"a": TEXT}, "a"), thing({"a": TEXT}), []),
    "read only": (thing({"a": {**TEXT, "readOnly": True}}), thing({}), []),
    "a map that must be empty": (
        {"type": "object", "properties": {"a": TEXT}},
        {"type": "object", "maxProperties": 0},
        ["x: maxProperties: 0, not none"],
    ),
    "a kind that is not taken": (
        {"oneOf": [thing({"kind": JOB, "a": TEXT}, "a"), thing({"kind": TEAM, "b": TEXT}, "b")]},
        thing({"kind": JOB, "a": TEXT}),
        ["x.kind: enum: only job"],
    ),
    "alternatives in another order": (
        {"oneOf": [TEXT, thing({"a": TEXT})]},
        {"anyOf": [thing({"a": TEXT}), TEXT]},
        [],
    ),
    "the nearest alternative is told": (
        {"oneOf": [TEXT, thing({"a": TEXT, "b": TEXT})]},
        {"anyOf": [TEXT, thing({})]},
        ["x.a: missing", "x.b: missing"],
    ),
    "an alternative is refused": (
        {"oneOf": [TEXT, {"type": "integer"}]},
        TEXT,
        ["x: type: string, not integer"],
    ),
}


@pytest.mark.parametrize(("contract", "ours", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_of_the_contract_must_be_taken(contract, ours, expected):
    assert found(Requests, contract, ours) == expected


def test_references_and_parts_are_put_together():
    schemas = {
        "Base": thing({"id": TEXT}, "id"),
        "Thing": {"allOf": [{"$ref": "#/components/schemas/Base"}, thing({"name": TEXT}, "name")]},
    }
    contract = {"allOf": [{"$ref": "#/components/schemas/Thing"}], "nullable": True}
    ours = {"anyOf": [thing({"id": TEXT}, "id"), {"type": "null"}]}
    assert found(Answers, contract, ours, schemas=schemas) == ["x.name: missing"]


def test_a_schema_that_holds_itself_has_an_end():
    schema = {"$ref": "#/components/schemas/Pod"}
    pod = thing({"previous": schema, "name": TEXT}, "name")
    found_differences = found(
        Answers,
        schema,
        schema,
        schemas={"Pod": pod},
        our_schemas={"Pod": thing({"previous": schema})},
    )
    assert found_differences == ["x.name: missing"]
