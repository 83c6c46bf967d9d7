"""What Schemathesis needs to know of Cassini: how to make texts of our formats, and what to spare.

Nothing here is about one route: a new one is tested as it is. It fails where its description
allows what it refuses; then its schema says too little (a pattern, a format of the list here), or
its refusal is about what there is and not about form (``MEANING``).
"""

import json
import os
import string
from typing import Any

import schemathesis
from hypothesis import strategies as st

MEANING = frozenset(
    {
        "bad_page_key",  # a key is for the list that gave it out, and only one may be there
        "bad_period",
        "bad_resolution",
        "contradiction",
        "image_archived",
        "location_taken",
        "not_offered",
        "too_many_points",
        "size_disabled",
        "two_images",
        "two_secrets",
        "unknown_fields",  # where they are to be told
        "unknown_image",
        "unknown_schema_version",
        "unknown_secret",
        "unknown_size",
        "unsupported_grant_type",
    }
)
"""Codes of a 400 that no schema can foresee: what is named is not to be had, or is too much."""

_FACTS: dict[str, Any] = json.loads(os.environ["CASSINI_FUZZ_FACTS"])
_SPARED = frozenset(_FACTS["spared"])
"""Ids of the caller's own token and account: without them all the rest would be 401."""
_KEPT = frozenset(_FACTS["kept"])
"""Ids of what is there from the start: it stays, so that there is something to look at."""

_WORDS = st.text(string.ascii_letters + string.digits + "-_.é", min_size=1, max_size=20)
_PLAIN = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
_PATHS = st.lists(_WORDS.filter(lambda word: word not in {".", ".."}), min_size=1, max_size=4)


def _known(name: str) -> st.SearchStrategy[str]:
    """Mostly something that is there, now and then any text."""
    there = st.sampled_from(_FACTS["names"][name] or [""])
    return st.one_of(there, there, there, st.text(max_size=40))


FORMATS = {
    "image-tag-id": _known("image-tag-id"),
    "image-uri": _known("image-uri"),
    "instance-size": _known("instance-size"),
    "one-line": _WORDS,
    "page-key": _known("page-key"),
    "password": st.text(_PLAIN, max_size=200),
    "path-below-home": _PATHS.map("/".join),
    "path-in-home": _PATHS.map(lambda parts: "/".join(("/home/jovyan", *parts))),
    "secret-location": st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True),
}
for _name, _strategy in FORMATS.items():
    schemathesis.openapi.format(_name, _strategy)


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """Ask for the next page or the one before: both are refused, and lists would be seen little."""
    if query and "next_key" in query:
        query.pop("prev_key", None)
    return query


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Spare the caller's own token and account, and delete nothing that was there first."""
    spared = _SPARED | (_KEPT if case.method.upper() == "DELETE" else frozenset())
    for name, value in (case.path_parameters or {}).items():
        if value in spared:
            case.path_parameters[name] = "0" * 32


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Let a request that is right in form be refused for what it means."""
    refused = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 400
    return not (refused and response.json().get("code") in MEANING)
