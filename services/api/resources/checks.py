"""What clients may set on a resource: types that refuse what would break later.

Every text and map is bounded, since all of it travels in one message; NUL bytes and lone
surrogates are refused because no database and no file system takes them (pydantic refuses the
surrogates). A model made of these types turns bad input into a 4xx that names the field. What
pydantic does not tell the description by itself stands in ``json_schema_extra``; a ``format``
names a rule that no pattern can say.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, StringConstraints

from services.api.wire import WireIn

HOME = "/home/jovyan"
WORKING_DIRECTORY = f"{HOME}/workspace"
RESERVED_VARIABLES = frozenset({"SATURN_TOKEN", "SATURN_BASE_URL", "JUPYTER_TOKEN"})
_NOT_FOR_SECRETS = RESERVED_VARIABLES | {
    "BASE_URL",
    "HOME",
    "NB_USER",
    "PATH",
    "PORT",
    "SHELL",
    "VIRTUAL_ENV",
    "XDG_RUNTIME_DIR",
}
_RESERVED_PREFIXES = ("CASSINI_", "SATURN_")

_MAX_ENTRIES = 200
_MAX_MAP_CHARACTERS = 262_144
_VARIABLE_PATTERN = "^[A-Za-z_][A-Za-z0-9_]{0,127}$"
_VARIABLE = re.compile(_VARIABLE_PATTERN, re.ASCII)
_VARIABLE_NAMES: dict[str, Any] = {
    "pattern": _VARIABLE_PATTERN,
    "not": {"enum": sorted(RESERVED_VARIABLES)},
}


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL bytes")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


def _bounded(mapping: dict[str, str]) -> dict[str, str]:
    if len(mapping) > _MAX_ENTRIES:
        raise ValueError(f"must have at most {_MAX_ENTRIES} entries")
    if sum(len(key) + len(value) for key, value in mapping.items()) > _MAX_MAP_CHARACTERS:
        raise ValueError(f"must have at most {_MAX_MAP_CHARACTERS} characters together")
    return mapping


def _variables(mapping: dict[str, str]) -> dict[str, str]:
    for name in _bounded(mapping):
        if not _VARIABLE.fullmatch(name):
            raise ValueError(
                f"{name[:60]!r} is not the name of an environment variable: use letters, digits "
                "and underscores, no digit first"
            )
        if name in RESERVED_VARIABLES:
            raise ValueError(f"{name} is set by the platform")
    return mapping


def _relative(path: str) -> str:
    parts = _one_line(path).split("/")
    if path.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path[:60]!r} must be a path below the home directory, without '..'")
    return path


def _in_home(path: str) -> str:
    path = _one_line(path).rstrip("/")
    parts = path.split("/")[1:]
    below = path == HOME or path.startswith(f"{HOME}/")
    if not below or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"must be an absolute path in {HOME}, without '..'")
    return path


def secret_variable(name: str) -> str:
    """Return the name of a variable that a secret may be in.

    Raises:
        ValueError: it is no name, or the platform sets this one: a secret would win over it.
    """
    _variables({name: ""})
    if name in _NOT_FOR_SECRETS or name.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"{name} is set by the platform: choose another name")
    return name


def secret_path(path: str) -> str:
    """Return the absolute path of a file in the home that a secret may be in.

    No other place is one that a workload may write to with every backend.

    Raises:
        ValueError: it is elsewhere.
    """
    below = path.removeprefix("~/").removeprefix(f"{HOME}/")
    try:
        return f"{HOME}/{_relative(below)}"
    except ValueError:
        raise ValueError(
            f"{path[:60]!r} must be the path of a file in {HOME}, without '..'"
        ) from None


Text = Annotated[str, AfterValidator(_no_nul)]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9](?:[-A-Za-z0-9]{0,62}[A-Za-z0-9])?$"),
    Field(description="Letters, digits and hyphens, at most 64, no hyphen first or last."),
]
Description = Annotated[Text, StringConstraints(max_length=2048)]
Tags = Annotated[
    dict[Text, Text],
    AfterValidator(_bounded),
    Field(json_schema_extra={"maxProperties": _MAX_ENTRIES}),
]
EnvironmentVariables = Annotated[
    dict[Text, Text],
    AfterValidator(_variables),
    Field(json_schema_extra={"maxProperties": _MAX_ENTRIES, "propertyNames": _VARIABLE_NAMES}),
]
Script = Annotated[Text, StringConstraints(max_length=262_144)]
Packages = Annotated[Text, StringConstraints(max_length=65_536)]
NoPackages = Annotated[Packages, Field(json_schema_extra={"maxLength": 0})]
"""Packages of an installer that is not there: refused in words that say what to do instead."""
WorkingDirectory = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(_in_home),
    Field(json_schema_extra={"format": "path-in-home"}),
]
DiskSpace = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[MGT]i?$")]
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
Subdomain = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}$")]
SubdomainOrNone = Annotated[str, StringConstraints(pattern=rf"^({_LABEL})?$")]
ShortText = Annotated[Text, StringConstraints(max_length=512)]
SecretLocation = Annotated[
    str,
    StringConstraints(min_length=1, max_length=480),
    Field(
        description="The name of the environment variable, or the path of the file in the home.",
        json_schema_extra={"format": "secret-location"},
    ),
]
AutoShutoff = Literal["1 hour", "6 hours", "24 hours", "3 days", "7 days", "Never"]
Ide = Literal["jupyter", "rstudio"]
InstanceSize = Annotated[ShortText, Field(json_schema_extra={"format": "instance-size"})]
ImageUri = Annotated[ShortText, Field(min_length=1, json_schema_extra={"format": "image-uri"})]
ImageTagId = Annotated[ShortText, Field(min_length=1, json_schema_extra={"format": "image-tag-id"})]


class ConfigFileIn(WireIn):
    """A file below the home directory."""

    content: Script
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0644"


class ExtraPackagesIn(WireIn):
    """Packages to install at every start; with the images that are there, by pip only."""

    pip: Packages | None = None
    as_requirements_txt: bool = False
    conda: NoPackages | None = None
    as_environment_yml: bool = False
    apt: NoPackages | None = None
    cran: NoPackages | None = None
    remotes: NoPackages | None = None
    bioconductor: NoPackages | None = None
    use_mamba: bool = False


_File = TypeVar("_File", bound=ConfigFileIn)


def bounded_files(files: dict[str, _File]) -> dict[str, _File]:
    """Return files that are few and short enough to travel in one message.

    Raises:
        ValueError: they are not.
    """
    _bounded({path: file.content for path, file in files.items()})
    return files


HomePath = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_relative),
    Field(json_schema_extra={"format": "path-below-home"}),
]
ConfigFiles = Annotated[
    dict[HomePath, ConfigFileIn],
    AfterValidator(bounded_files),
    Field(json_schema_extra={"maxProperties": _MAX_ENTRIES}),
]
