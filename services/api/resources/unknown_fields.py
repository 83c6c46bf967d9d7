"""Fields of a recipe that nobody knows: where they stand, and what was probably meant. Pure."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

from pydantic import BaseModel

from cassini.runtime.errors import Invalid

_SHOWN, _LONGEST = 50, 60
_ALIKE = 0.65


def refuse_unknown(recipe: BaseModel) -> None:
    """Refuse a recipe with a field that nobody knows, at any depth.

    Raises:
        Invalid: there is one; the message names the path of each.
    """
    found = list(islice(_unknown(recipe, ""), _SHOWN + 1))
    if found:
        more = "; and more" if len(found) > _SHOWN else ""
        raise Invalid("; ".join(found[:_SHOWN]) + more, code="unknown_fields")


def _unknown(part: object, path: str) -> Iterator[str]:
    """Return a sentence for each unknown field of a part and of the parts in it."""
    if isinstance(part, BaseModel):
        known = type(part).model_fields
        for name in part.model_extra or {}:
            yield _sentence(f"{path}{name[:_LONGEST]}", name[:_LONGEST], known)
        inner = {name: getattr(part, name) for name in known}.items()
    elif isinstance(part, dict):
        inner = part.items()
    elif isinstance(part, list):
        inner = {str(number): each for number, each in enumerate(part)}.items()
    else:
        return
    for name, value in inner:
        yield from _unknown(value, f"{path}{name[:_LONGEST]}.")


def _sentence(path: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=_ALIKE)
    return f"{path}: unknown field" + (f" (did you mean {close[0]}?)" if close else "")
