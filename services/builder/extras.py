"""Pure: what an image of a container may be asked to have beside pip packages.

Names of Debian packages and of the base image get into the text of a Dockerfile, so they are held
to their own syntax, which has no blank, quote or line end. Files (conda's, the script) only ever
reach the build as files.
"""

import re
from collections.abc import Iterator

from cassini.contracts.images import ImageSpec

MAX_APT_NAMES = 300
MAX_FILE_CHARACTERS = 64 * 1024
MAX_REFERENCE_CHARACTERS = 512

_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,126}[a-z0-9+.]")  # "name-" would remove it
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST}(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_PIP_SECTION = re.compile(r"^\s*-\s*[\"']?pip[\"']?\s*:", re.MULTILINE)
_CONDA_PYTHON = re.compile(r"^\s*-\s*[\"']?python\s*=+\s*(\d+\.\d+)", re.MULTILINE)


def find_extras_problem(spec: ImageSpec) -> str | None:
    """Return why these parts of a spec are refused, as a sentence for people, or ``None``."""
    return next(_problems(spec), None)


def conda_python(environment_yml: str) -> str | None:
    """Return the version of Python (``3.11``) that a conda environment pins, if it does."""
    match = _CONDA_PYTHON.search(environment_yml)
    return match[1] if match else None


def is_reference(text: str) -> bool:
    """Say whether a text is the reference of a container image, as Docker writes them."""
    return len(text) <= MAX_REFERENCE_CHARACTERS and _REFERENCE.fullmatch(text) is not None


def _problems(spec: ImageSpec) -> Iterator[str]:
    if spec.base_image is not None and not is_reference(spec.base_image):
        yield "The base image is not written like python:3.11-slim or registry/name@sha256:…."
    if len(spec.apt) > MAX_APT_NAMES:
        yield f"There are more than {MAX_APT_NAMES} Debian packages; shorten the list."
    wrong = [number for number, name in enumerate(spec.apt, 1) if not _APT_NAME.fullmatch(name)]
    if wrong:
        yield (
            f"Debian package {wrong[0]} is not the name of one: small letters, digits and + - . "
            "only, without version or option."
        )
    for text, what in ((spec.environment_yml, "environment"), (spec.post_build, "script")):
        if len(text) > MAX_FILE_CHARACTERS:
            yield f"The {what} is longer than {MAX_FILE_CHARACTERS} characters; shorten it."
        if "\0" in text or not _is_text(text):
            yield f"There is a character in the {what} that is not text."
    if _PIP_SECTION.search(spec.environment_yml):
        yield "Move the packages under pip: in the environment file to the requirements."


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
