"""Comparing two descriptions operation by operation, area by area (an area is a tag)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.compatibility.shapes import Document
from tests.compatibility.values import (
    MISSING,
    REQUIRED_HERE,
    Answers,
    Difference,
    Requests,
    Sides,
)

NOT_HERE = "not here"
_METHODS = ("get", "put", "post", "patch", "delete")
_JSON = "application/json"
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class Compared:
    """What came of one operation of the contract."""

    area: str
    operation: str
    here: bool
    differences: tuple[Difference, ...]


def compare(contract: Mapping[str, Any], ours: Mapping[str, Any]) -> list[Compared]:
    """Compare every operation of the contract with ours."""
    documents = Document(contract), Document(ours)
    known = dict(_operations(ours))
    compared = []
    for key, expected in _operations(contract):
        sides = Sides(*documents, expected["operationId"])
        actual = known.get(key)
        if actual is None:
            found = [sides.difference("", NOT_HERE)]
        else:
            found = list(dict.fromkeys(_differences(sides, expected, actual)))
        area = expected["tags"][0]
        compared.append(Compared(area, sides.operation, actual is not None, tuple(found)))
    return compared


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield operations by method and path, whatever the path's parameters are called."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield (method, re.sub(r"\{[^}]*\}", "{}", path)), methods[method]


def _differences(
    sides: Sides, contract: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in ("operationId", "tags"):
        if ours.get(name) != contract[name]:
            yield sides.difference(name, f"{ours.get(name)}, not {contract[name]}")
    yield from _parameters(sides, contract, ours)
    yield from _body(sides, contract, ours)
    yield from _responses(sides, contract, ours)


def _parameters(
    sides: Sides, contract: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[Difference]:
    expected = _by_place(sides.contract, contract)
    actual = _by_place(sides.ours, ours)
    for place, parameter in expected.items():
        if place not in actual:
            yield sides.difference(place, MISSING)
            continue
        # Null cannot be said in an address, so whether it is allowed says nothing.
        schema = {**sides.contract.resolve(parameter["schema"]), "nullable": False}
        yield from Requests(sides).compare(schema, actual[place]["schema"], place)
    for place, parameter in actual.items():
        if parameter.get("required") and not expected.get(place, _NOTHING).get("required"):
            yield sides.difference(place, REQUIRED_HERE)


def _by_place(document: Document, operation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = [document.resolve(each) for each in operation.get("parameters", ())]
    return {f"{each['in']}.{each['name']}": each for each in found}


def _body(
    sides: Sides, contract: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[Difference]:
    expected = sides.contract.resolve(contract.get("requestBody", _NOTHING))
    actual = sides.ours.resolve(ours.get("requestBody", _NOTHING))
    if actual.get("required") and not expected.get("required"):
        yield sides.difference("request", REQUIRED_HERE)
    schema = _json_schema(expected)
    if schema is None:
        return
    own = _json_schema(actual)
    if own is None:
        yield sides.difference("request", MISSING)
        return
    yield from Requests(sides).compare(schema, own, "request")


def _responses(
    sides: Sides, contract: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[Difference]:
    expected = {status: each for status, each in contract["responses"].items() if status < "4"}
    actual = {status: each for status, each in ours["responses"].items() if status < "4"}
    for status in sorted(expected.keys() | actual.keys()):
        if status not in actual:
            yield sides.difference(status, MISSING)
        elif status not in expected:
            yield sides.difference(status, "not in the contract")
        else:
            schema = _json_schema(sides.contract.resolve(expected[status]))
            own = _json_schema(sides.ours.resolve(actual[status]))
            if schema is not None and own is not None:
                yield from Answers(sides).compare(schema, own, status)
            elif schema is not None or own is not None:
                what = "no body" if own is None else "a body, which the contract has not"
                yield sides.difference(status, what)


def _json_schema(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = message.get("content", _NOTHING).get(_JSON, _NOTHING)
    schema: Mapping[str, Any] | None = content.get("schema")
    return schema
