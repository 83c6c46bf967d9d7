"""Comparing what is sent and what is answered, field by field.

What we answer may be said more exactly than the contract says it (a word out of a few instead of
any text) and have more fields; what we take may be more than the contract has. Everything else is
a difference.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.compatibility.shapes import Document, Schema, Shape, Value

MISSING = "missing"
OPTIONAL_MISSING = "missing (optional)"
REQUIRED_HERE = "required here"
_OTHER_FIELDS = frozenset({MISSING, OPTIONAL_MISSING, REQUIRED_HERE})
"""What makes an alternative farther than any difference within its fields does."""


@dataclass(frozen=True)
class Difference:
    """One place where our description says something else than the contract."""

    operation: str
    """The contract's id of the operation."""
    place: str
    """``request.name``, ``query.owner``, ``200.workspaces[].id``."""
    what: str

    @property
    def where(self) -> str:
        """Operation and place in one text, as explanations name them."""
        return f"{self.operation} {self.place}".strip()


@dataclass(frozen=True)
class Sides:
    """The two documents, and which operation is compared."""

    contract: Document
    ours: Document
    operation: str

    def difference(self, place: str, what: str) -> Difference:
        """Return a difference of this operation."""
        return Difference(self.operation, place, what)


@dataclass
class Comparison(ABC):
    """What comparing requests and answers have in common."""

    sides: Sides
    _open: list[tuple[str, str]] = field(default_factory=list)

    left_out: ClassVar[str]
    """The keyword of fields that this direction does not have."""

    def compare(self, contract: Schema, ours: Schema, place: str) -> Iterator[Difference]:
        """Yield the differences between two schemas."""
        pair = (str(contract.get("$ref", id(contract))), str(ours.get("$ref", id(ours))))
        if pair in self._open:  # a schema that holds itself
            return
        self._open.append(pair)
        expected = self.sides.contract.value(contract, without=self.left_out)
        actual = self.sides.ours.value(ours, without=self.left_out)
        yield from self._value(expected, actual, place)
        self._open.pop()

    @abstractmethod
    def _value(self, contract: Value, ours: Value, place: str) -> Iterator[Difference]:
        """Compare what two values can be."""

    @abstractmethod
    def _shape(self, contract: Shape, ours: Shape, place: str) -> Iterator[Difference]:
        """Compare two shapes of one type."""

    @abstractmethod
    def _fits(self, contract: Shape, ours: Shape) -> bool:
        """Whether the types go together."""

    def _nearest(self, pairs: Sequence[tuple[Shape, Shape]], place: str) -> list[Difference]:
        """Return the differences of the nearest of some alternatives; of those apart, only why."""
        tries = []
        for contract, ours in pairs:
            apart = list(self._apart(contract, ours, place))
            found = apart or list(self._shape(contract, ours, place))
            fields = sum(each.what in _OTHER_FIELDS for each in found)
            tries.append((bool(apart), fields, len(found), found))
        return min(tries, key=lambda each: each[:3])[3] if tries else []

    def _apart(self, contract: Shape, ours: Shape, place: str) -> Iterator[Difference]:
        """Yield what makes two shapes things of two kinds, not worth a further comparison.

        That is their types, or a word that both have and never the same, as ``type`` of recipes.
        """
        if not self._fits(contract, ours):
            names = [", ".join(sorted(each.types)) or "anything" for each in (ours, contract)]
            yield self.sides.difference(place, f"type: {names[0]}, not {names[1]}")
        for name in sorted(contract.properties.keys() & ours.properties.keys()):
            expected, actual = _words(contract.properties[name]), _words(ours.properties[name])
            if expected and actual and expected.isdisjoint(actual):
                what = f"enum: only {', '.join(sorted(map(str, actual)))}"
                yield self.sides.difference(f"{place}.{name}", what)

    def _inside(self, contract: Shape, ours: Shape, place: str) -> Iterator[Difference]:
        """Compare what lists and maps hold."""
        if ours.is_empty:
            return
        if contract.items is not None:
            yield from self.compare(contract.items, ours.items or {}, f"{place}[]")
        if contract.entries is not None:
            yield from self.compare(contract.entries, ours.entries or {}, f"{place}{{}}")


class Answers(Comparison):
    """Compares schemas of what is answered: ours must keep what the contract promises."""

    left_out = "writeOnly"

    def _value(self, contract: Value, ours: Value, place: str) -> Iterator[Difference]:
        if not ours.shapes and contract.shapes:
            yield self.sides.difference(place, "always null")
        elif ours.nullable and not contract.nullable:
            yield self.sides.difference(place, "nullable")
        elif contract.nullable and not ours.nullable:
            yield self.sides.difference(place, "never null")
        for shape in ours.shapes:
            yield from self._nearest([(each, shape) for each in contract.shapes], place)

    def _shape(self, contract: Shape, ours: Shape, place: str) -> Iterator[Difference]:
        if contract.enum is not None and (ours.enum is None or ours.enum - contract.enum):
            extra = sorted(map(str, (ours.enum or frozenset()) - contract.enum))
            what = f"enum: also {', '.join(extra)}" if extra else "enum: anything"
            yield self.sides.difference(place, what)
        if contract.format is not None and ours.format != contract.format:
            yield self.sides.difference(place, f"format: {ours.format}, not {contract.format}")
        if not ours.is_empty:
            for name, schema in contract.properties.items():
                yield from self._field(contract, ours, name, schema, f"{place}.{name}")
        yield from self._inside(contract, ours, place)

    def _field(
        self, contract: Shape, ours: Shape, name: str, schema: Schema, place: str
    ) -> Iterator[Difference]:
        always = name in contract.required
        if name not in ours.properties:
            yield self.sides.difference(place, MISSING if always else OPTIONAL_MISSING)
            return
        if always and name not in ours.required:
            yield self.sides.difference(place, "not always there")
        yield from self.compare(schema, ours.properties[name], place)

    def _fits(self, contract: Shape, ours: Shape) -> bool:
        return _is_a(ours, contract)


class Requests(Comparison):
    """Compares schemas of what is sent: we must take what the contract lets clients send."""

    left_out = "readOnly"

    def _value(self, contract: Value, ours: Value, place: str) -> Iterator[Difference]:
        if contract.nullable and not ours.nullable and ours.shapes:
            yield self.sides.difference(place, "null is refused")
        if contract.default is not None and ours.default != contract.default:
            said = "nothing" if ours.default is None else repr(ours.default)
            yield self.sides.difference(place, f"default: {said}, not {contract.default!r}")
        for shape in contract.shapes:
            yield from self._nearest([(shape, each) for each in ours.shapes], place)

    def _shape(self, contract: Shape, ours: Shape, place: str) -> Iterator[Difference]:
        if ours.enum is not None and (contract.enum is None or contract.enum - ours.enum):
            words = sorted(map(str, ours.enum))
            yield self.sides.difference(place, f"enum: only {', '.join(words)}")
        if ours.format is not None and ours.format != contract.format:
            yield self.sides.difference(place, f"format: only {ours.format}")
        yield from self._bounds(contract.bounds, ours.bounds, place)
        for name in sorted(ours.required - contract.required):
            yield self.sides.difference(f"{place}.{name}", REQUIRED_HERE)
        for name, schema in contract.properties.items():
            if name in ours.properties:
                yield from self.compare(schema, ours.properties[name], f"{place}.{name}")
            elif ours.entries is None and not ours.is_empty:
                yield self.sides.difference(f"{place}.{name}", MISSING)
        yield from self._inside(contract, ours, place)

    def _bounds(
        self, contract: Mapping[str, Any], ours: Mapping[str, Any], place: str
    ) -> Iterator[Difference]:
        for name in sorted(contract.keys() | ours.keys()):
            if contract.get(name) != ours.get(name):
                said = [repr(each[name]) if name in each else "none" for each in (ours, contract)]
                yield self.sides.difference(place, f"{name}: {said[0]}, not {said[1]}")

    def _fits(self, contract: Shape, ours: Shape) -> bool:
        return _is_a(contract, ours)


def _is_a(narrow: Shape, wide: Shape) -> bool:
    """Whether every type of one is a type of the other."""
    kinds = wide.types | ({"integer"} if "number" in wide.types else set())
    return not wide.types or (bool(narrow.types) and narrow.types <= kinds)


def _words(schema: Schema) -> frozenset[Any]:
    return frozenset([schema["const"]] if "const" in schema else schema.get("enum", ()))
