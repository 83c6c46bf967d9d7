"""The names of orgs and users, and of owners made of the two: ``<org>/<user>``.

Lower-case letters and digits, single hyphens inside, at most 39 characters.
"""

import re

from cassini.runtime.errors import Invalid

_WORD = r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,38}"
NAME_PATTERN = rf"^{_WORD}$"
PATH_PATTERN = rf"^(?:({_WORD})/)?({_WORD})?$"
LONGEST_NAME = 39
LONGEST_PATH = 2 * LONGEST_NAME + 1
_NAME = re.compile(_WORD)
_PATH = re.compile(PATH_PATTERN)


def check_name(name: str, *, what: str = "user name") -> str:
    """Return a name that follows the rules.

    Raises:
        Invalid: it does not.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:60]!r} is not a {what}: use 1 to 39 lower-case letters and digits, "
            "with single hyphens between them",
            code="bad_name",
        )
    return name


def split_path(path: str) -> tuple[str | None, str | None]:
    """Return the org and the user that an owner's path names; None for what is left out.

    Raises:
        Invalid: it is no such path.
    """
    if path.endswith("\n") or (match := _PATH.match(path)) is None:
        raise Invalid(
            f"{path[:90]!r} does not name an owner: write it as <org>/<user> or <user>",
            code="bad_owner",
        )
    return match[1], match[2]
