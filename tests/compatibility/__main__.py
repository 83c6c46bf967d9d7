"""The command: ``python -m tests.compatibility <contract>``; 1 when a difference is unexplained.

The contract is an OpenAPI document (YAML or JSON). It is not part of Cassini, so its place must be
given.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.compatibility.explanations import read_explanations, unexplained
from tests.compatibility.operations import Compared, compare

_ROOT = Path(__file__).parents[2]
_OURS = _ROOT / "services" / "api" / "openapi.json"
_EXPLAINED = _ROOT / "docs" / "compatibility.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the table and the differences, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__)
    parser.add_argument("contract", type=Path, help="the contract, as YAML or JSON")
    parser.add_argument("--ours", type=Path, default=_OURS, help="our description")
    parser.add_argument("--explained", type=Path, default=_EXPLAINED, help="what is explained")
    given = parser.parse_args(arguments)
    compared = compare(_read(given.contract), json.loads(given.ours.read_text()))
    explanations = read_explanations(given.explained.read_text())
    found = [difference for each in compared for difference in each.differences]
    left, stale = unexplained(found, explanations)
    print(table(compared))
    for difference in found:
        mark = "UNEXPLAINED" if difference in left else "explained"
        print(f"{mark:12}{difference.where}: {difference.what}")
    for explanation in stale:
        print(f"{'OUT OF DATE':12}{explanation.where}: {explanation.what}")
    print(f"\n{len(found)} differences, {len(left)} unexplained; {len(stale)} out of date")
    return 1 if left or stale else 0


def table(compared: Sequence[Compared]) -> str:
    """Return a line for each area: its operations, how many are here, how many are equal."""
    areas = dict.fromkeys(each.area for each in compared)
    rows = [
        ("area", "operations", "here", "equal", "differences"),
        *((area, *_numbers([each for each in compared if each.area == area])) for area in areas),
        ("all", *_numbers(compared)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(map(_padded, row, widths, range(len(row)))) for row in rows)
    return "\n".join(lines) + "\n"


def _numbers(compared: Sequence[Compared]) -> tuple[str, ...]:
    here = [each for each in compared if each.here]
    equal = [each for each in here if not each.differences]
    differences = sum(len(each.differences) for each in here)
    return tuple(map(str, (len(compared), len(here), len(equal), differences)))


def _padded(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column == 0 else text.rjust(width)


def _read(path: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=loader)
    return document


if __name__ == "__main__":
    sys.exit(main())
