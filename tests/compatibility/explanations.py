"""What docs/compatibility.md explains: every table there whose columns are these three.

| where | difference | why |
| --- | --- | --- |
| `workspaces_create request.name` | `pattern: *` | It becomes a host name. |

``where`` is an operation's id and a place in it, ``difference`` what ``make api-coverage`` prints
of it; ``*`` stands for any text in both. Several places of one reason stand in one cell, with
commas between; every one of them must be there, else the explanation is out of date.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tests.compatibility.values import Difference

_COLUMNS = ["where", "difference", "why"]
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Explanation:
    """One difference that is meant, or several that one text describes."""

    where: str
    what: str
    why: str

    def explains(self, difference: Difference) -> bool:
        """Whether it is about this difference."""
        found = (difference.where, difference.what)
        return all(each.fullmatch(text) for each, text in zip(self._patterns, found, strict=True))

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        """Only the star is special: brackets are part of places."""
        return tuple(
            re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
            for text in (self.where, self.what)
        )


def read_explanations(page: str) -> list[Explanation]:
    """Return the explanations of a page.

    Raises:
        ValueError: a row is not complete, or says where or what without code marks.
    """
    found = []
    for where, difference, why in _rows(page):
        places, what = _CODE.findall(where), _CODE.findall(difference)
        if not places or len(what) != 1 or not why:
            raise ValueError(f"this row explains nothing: | {where} | {difference} | {why} |")
        found += [Explanation(place, what[0], why) for place in places]
    return found


def unexplained(
    differences: Iterable[Difference], explanations: Iterable[Explanation]
) -> tuple[list[Difference], list[Explanation]]:
    """Return the differences that nothing explains, and the explanations of none."""
    left, known = [], list(explanations)
    used: set[Explanation] = set()
    for difference in differences:
        matching = {each for each in known if each.explains(difference)}
        used |= matching
        if not matching:
            left.append(difference)
    return left, [each for each in known if each not in used]


def _rows(page: str) -> Iterator[list[str]]:
    in_table = False
    for line in page.splitlines():
        # A bar inside code is written \| as Markdown wants it.
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells == _COLUMNS:
            in_table = True
        elif not cells:
            in_table = False
        elif in_table and set("".join(cells)) - set("-: "):
            if len(cells) != len(_COLUMNS):
                raise ValueError(f"this row has not three cells: {line}")
            yield cells
