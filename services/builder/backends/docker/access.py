"""How a build reaches packages: what the builder itself uses, handed on without leaving a trace."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cassini.runtime.errors import BackendError
from services.builder.backends.uv_command import uv_environment
from services.builder.settings import BuilderSettings

_INTO_BUILDS = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX(_\w+)?|EXTRA_INDEX_URL|INSECURE_HOST|REQUEST_TIMEOUT|HTTP_\w+"
    r"|CONCURRENT_\w+)"
)
_PROXIES = re.compile(r"(https?|no)_proxy", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """What a build gets to see while it runs, and never keeps."""

    variables: Mapping[str, str]
    """Of ``uv``: index, hosts, times."""
    certificates: Path | None
    proxies: Mapping[str, str]
    """Docker's predefined build arguments, which are in no layer and no history."""

    def resolving(self) -> dict[str, str]:
        """Return the variables for ``uv`` on this machine."""
        certificates = {"SSL_CERT_FILE": str(self.certificates)} if self.certificates else {}
        return {**self.variables, **certificates}

    def shell(self) -> str:
        """Return the variables as a file of sh."""
        pairs = self.variables.items()
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(pairs))


def read_access(settings: BuilderSettings) -> Access:
    """Return the way to packages, as settings and environment say now.

    Raises:
        BackendError: a file that the settings name cannot be read.
    """
    seen = uv_environment(os.environ, Path("/"))
    variables = {name: value for name, value in seen.items() if _INTO_BUILDS.fullmatch(name)}
    if settings.package_index_file is not None:
        address = read_secret(settings.package_index_file, "the package index")
        variables["UV_DEFAULT_INDEX"] = address
    named = settings.ca_file or seen.get("SSL_CERT_FILE")
    proxies = {name: value for name, value in os.environ.items() if _PROXIES.fullmatch(name)}
    return Access(variables, Path(named) if named else None, proxies)


def read_secret(path: Path, what: str) -> str:
    """Return the first line of a file.

    Raises:
        BackendError: it cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BackendError(f"The file {path} of {what} cannot be read: {reason}.") from None
    if not lines or not lines[0].strip():
        raise BackendError(f"The file {path} of {what} is empty.")
    return lines[0].strip()
