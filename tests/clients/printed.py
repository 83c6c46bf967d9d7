"""Reads what ``sc`` prints for people."""

import ast
import re
from typing import Any

_WORD = re.compile(r"\S+\s*")


def table(text: str) -> list[dict[str, str]]:
    """Return the rows of a table; cells begin where their headers do, and may be empty."""
    header, rule, *rows = text.splitlines()
    assert set(rule) == {"-"}, text
    columns = [(found.group().strip(), found.start()) for found in _WORD.finditer(header)]
    ends = [start for _, start in columns[1:]] + [None]
    return [
        {name: row[start:end].strip() for (name, start), end in zip(columns, ends, strict=True)}
        for row in rows
    ]


def values(text: str) -> list[Any]:
    """Return Python values that were printed one after the other, each over some lines."""
    return [ast.literal_eval(lines) for lines in re.split(r"\n(?=['{])", text.strip())]


def refusal(line: str) -> dict[str, str]:
    """Return the body of the platform's answer in an error that ``sc`` printed."""
    body = ast.literal_eval(line)
    assert {"message", "code"} <= body.keys(), line
    return dict(body)
