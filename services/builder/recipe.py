"""Pure: what a user may ask an image to hold, and the digest that names what is installed.

Requirement lines are checked before any tool reads them, against a list of what is allowed: a
name, extras, versions, an ``https`` address, a marker. The tools' own format can do more (read
files of this machine, change the index, expand environment variables) and must not do it for a
stranger. What passes here is what is sent, line by line.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from cassini.contracts.images import ImageSpec

MAX_CHARACTERS = 64 * 1024
MAX_LINES = 1000
MAX_LINE_CHARACTERS = 1000

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"(^|\s)-")
_PATH = re.compile(
    r"""^(?: [./~\\] | [A-Za-z]:[\\/] | file:             # where a path begins
           | [^@;<>=!~\s]*[/\\]                          # a folder
           | [^@;\s]*\.(?:whl|zip|tar|tgz|tar\.\w+)$ )   # an archive""",
    re.VERBOSE,
)
_NAMED = re.compile(
    r"""(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)
        \s*(?:\[[A-Za-z0-9._,\s-]*\])?
        \s*(?:@\s*(?P<url>\S+)(?=\s|$) | (?P<versions>\(?[<>=!~][A-Za-z0-9.,*+!<>=~_()\s-]*))?
        \s*(?:;(?P<marker>.*))?""",
    re.VERBOSE,
)
_URL_SCHEMES = frozenset({"https", "git+https"})


@dataclass(frozen=True)
class Recipe:
    """All that decides what an image holds."""

    lock: str
    """Every package with its version and, where the registry has them, its hashes."""
    python: str
    """Implementation and version the image is made for, as in ``cpython-3.11``."""
    platform: str
    """Operating system and processor, as in ``linux-x86_64``."""

    base: str = ""
    """The container image it stands on, by content: ``name@sha256:…``, or the engine's id."""
    apt: tuple[str, ...] = ()
    environment_yml: str = ""
    post_build: str = ""

    @classmethod
    def of(cls, spec: ImageSpec, *, lock: str, python: str, platform: str, base: str = "") -> Self:
        """Return the recipe of a spec, with what was resolved for it."""
        apt = tuple(sorted(set(spec.apt)))
        return cls(lock, python, platform, base, apt, spec.environment_yml, spec.post_build)

    @property
    def digest(self) -> str:
        """The name of the image: SHA-256 (hex) of all of this."""
        extras: dict[str, str | tuple[str, ...]] = {
            "apt": self.apt,
            "base": self.base,
            "environment_yml": self.environment_yml,
            "post_build": self.post_build,
        }
        return digest_of(self.lock, self.python, self.platform, **extras)


def digest_of(lock: str, python: str, platform: str, **extras: str | tuple[str, ...]) -> str:
    """Return the SHA-256 (hex) that names an image; extras that are empty take no part.

    Comments, blank lines, spacing and the order of packages and hashes do not count, so that a
    lock made again with the same content names the same image.
    """
    content: dict[str, object] = {name: value for name, value in extras.items() if value}
    content |= {"lock": _canonical(lock), "platform": platform, "python": python}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def requirement_lines(requirements: str) -> tuple[str, ...]:
    """Return the requirements one by one, without comments and blank lines."""
    plain = (_plain(line) for line in requirements.splitlines())
    return tuple(line for line in plain if line)


def find_problem(requirements: str) -> str | None:
    """Return why these requirements are refused, as a sentence for people, or ``None``.

    The sentence names the line's number, never its text: an address may hold a password.
    """
    if len(requirements) > MAX_CHARACTERS:
        return f"The requirements are longer than {MAX_CHARACTERS} characters; shorten them."
    raw = requirements.splitlines()
    if len(raw) > MAX_LINES:
        return f"There are more than {MAX_LINES} lines of requirements; shorten them."
    if not requirement_lines(requirements):
        return "The requirements are empty; name at least one package."
    for number, line in enumerate(raw, start=1):
        plain = _plain(line)
        problem = _line_problem(plain) if plain else None
        if problem is not None:
            return f"Line {number} of the requirements {problem}."
    return None


def _plain(line: str) -> str:
    return " ".join(_COMMENT.sub("", line).split())


def _line_problem(line: str) -> str | None:
    match = _NAMED.fullmatch(line[:MAX_LINE_CHARACTERS])
    cases = (
        (len(line) > MAX_LINE_CHARACTERS, f"is longer than {MAX_LINE_CHARACTERS} characters"),
        (not line.isprintable(), "holds a character that cannot be printed"),
        (_OPTION.search(line), "holds an option (-r, -e, --index-url …): write only packages"),
        ("$" in line, "holds a variable: write out what it stands for"),
        (line.endswith("\\"), "goes on in the next line: write it on one"),
        (_PATH.search(line), "is a path, or an address without a name: write NAME @ https://…"),
        (match is None, "is not a requirement: write it like pandas, pandas==2.3 or pandas[xml]>2"),
    )
    problem = next((sentence for found, sentence in cases if found), None)
    if problem is None and match is not None and match["url"]:
        return _url_problem(match["url"])
    return problem


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        return "holds an address that cannot be read"
    if parts.scheme not in _URL_SCHEMES or not host:
        return "holds an address that is neither https:// nor git+https://"
    if user is not None:
        return "holds a user name or password in an address: secrets cannot be kept in an image"
    return None


def _canonical(lock: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", lock)
    packages = []
    for line in requirement_lines(joined):
        requirement, *hashes = line.split("--hash=")
        words = [requirement.strip(), *sorted(entry.strip() for entry in hashes)]
        packages.append(" ".join(words))
    return sorted(packages)
