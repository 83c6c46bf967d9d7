"""What a failed build said -> the error to raise."""

import re
from collections.abc import Sequence

from cassini.runtime.errors import BackendError, CassiniError, GiveUp
from services.builder.backends.uv_command import explain_failure
from services.builder.dockerfile import APT_TITLE, CONDA_TITLE, SCRIPT_TITLE, TITLES, USER_TITLE

_AWAY = (
    r"temporary failure resolving|could not resolve|unable to fetch|failed to fetch"
    r"|could not connect|connection (refused|reset|timed out)|download error|timeout was reached"
)
_ENGINE = r"cannot connect to the docker daemon|error during connect|connection is closed|\bEOF$"
_DISK_FULL = r"no space left on device|disk quota exceeded"


class BuildFailed(Exception):
    """A step of a build failed; the text is the builder's own, after the log."""


def explain_build(lines: Sequence[str], error: str) -> CassiniError:
    """Return the error to raise for a failed build.

    Args:
        lines: the last lines of the log, oldest first.
        error: what the builder itself said.
    """
    said = "\n".join(lines)
    text = f"{said}\n{error}".lower()
    step = next((line for line in reversed(lines) if line in TITLES), None)
    if re.search(_DISK_FULL, text):
        return BackendError("The engine's disk is full: make room for images.", code="disk_full")
    if re.search(_ENGINE, error, re.IGNORECASE):
        message = "The Docker engine went away during the build."
        return BackendError(message, code="engine_unreachable", said=error)
    explain = _STEPS.get(step or "", _pip)
    return explain(text, _after(lines, step) or error)


def _after(lines: Sequence[str], step: str | None) -> str:
    """Return what was said since a step began."""
    if step is None:
        return "\n".join(lines)
    last = len(lines) - 1 - list(reversed(lines)).index(step)
    return "\n".join(lines[last + 1 :])


def _pip(_: str, said: str) -> CassiniError:
    return explain_failure(1, said)


def _script(_: str, said: str) -> CassiniError:
    return GiveUp(f"The script after the build failed.\n{said}", reason="PostBuildFailed")


def _user(_: str, said: str) -> CassiniError:
    message = f"The base image is not fit: the user cannot be made.\n{said}"
    return GiveUp(message, reason="UnfitBaseImage")


def _apt(text: str, said: str) -> CassiniError:
    if re.search(r"unable to locate package|has no installation candidate", text):
        message = f"A Debian package does not exist in the base image's Debian.\n{said}"
        return GiveUp(message, reason="PackageNotFound")
    if re.search(_AWAY, text):
        message = f"Debian's packages cannot be reached.\n{said}"
        return BackendError(message, code="registry_unreachable")
    return GiveUp(f"The Debian packages cannot be installed.\n{said}", reason="BuildFailed")


def _conda(text: str, said: str) -> CassiniError:
    if re.search(r"could not solve|nothing provides|does not exist \(perhaps", text):
        message = f"The conda packages do not exist or contradict each other.\n{said}"
        return GiveUp(message, reason="RequirementsConflict")
    if re.search(_AWAY, text):
        message = f"The conda channel cannot be reached.\n{said}"
        return BackendError(message, code="registry_unreachable")
    return GiveUp(f"Conda cannot make the environment.\n{said}", reason="BuildFailed")


_STEPS = {APT_TITLE: _apt, USER_TITLE: _user, CONDA_TITLE: _conda, SCRIPT_TITLE: _script}
