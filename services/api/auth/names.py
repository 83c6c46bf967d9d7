"""The names of orgs and users, and of owners made of the two: ``<org>/<user>``.

Lower-case letters and digits, single hyphens inside, at most 39 characters.
"""

import re

from cassini.runtime.errors import Invalid

NAME_PATTERN = r"[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}"
PATH_PATTERN = rf"^(?:(?P<org>{NAME_PATTERN})/)?(?P<identity>{NAME_PATTERN})?$"
_NAME = re.compile(NAME_PATTERN, re.ASCII)
_PATH = re.compile(PATH_PATTERN, re.ASCII)


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
    return match["org"], match["identity"]
