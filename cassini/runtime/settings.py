"""The settings every service shares, and where they come from.

In falling order: command-line flags, environment variables ``CASSINI_<NAME>``, the file
``cassini.toml`` in the data directory, the defaults here. ``docs/settings.md`` is generated from
these classes.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cassini.runtime.errors import Invalid

SETTINGS_FILE = "cassini.toml"
_LOCAL = {"127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound


def default_home() -> Path:
    """Return where data is kept: system-wide for root, under the home directory for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/cassini")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "cassini"


class PlatformSettings(BaseSettings):
    """Settings of the embedded form."""

    model_config = SettingsConfigDict(env_prefix="CASSINI_", extra="ignore")

    home: Path = Field(
        default_factory=default_home, description="The data directory: everything Cassini keeps"
    )
    host: str = Field(default="127.0.0.1", description="The address the platform listens on")
    port: int = Field(default=8765, ge=1, le=65535, description="The port the platform listens on")
    base_url: str | None = Field(
        default=None,
        description="How people reach the platform; default: http://<host>:<port>, and `localhost`"
        " for a loopback address",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written"
    )
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal, else one JSON object a line"
    )
    log_days: float = Field(
        default=30,
        gt=0,
        le=36_500,
        description="For how many days history and logs of what ran are kept",
    )
    database_url: str | None = Field(
        default=None,
        description="postgresql+asyncpg://… instead of the SQLite files in the data directory",
    )

    @property
    def url(self) -> str:
        """The address people use, without a slash at its end.

        On loopback it is ``localhost`` by name: a browser sends cookies to every port of a host
        name, and the workspaces' own servers answer on 127.0.0.1, so they never get the session.
        """
        host = "localhost" if self.host in _LOCAL else self.host
        return (self.base_url or f"http://{host}:{self.port}").rstrip("/")


def load_settings(**flags: Any) -> PlatformSettings:
    """Read the settings; flags that are None were not given.

    Raises:
        Invalid: a setting is wrong or the file cannot be read; the message says which and why.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        home = given.get("home") or os.environ.get("CASSINI_HOME") or default_home()
        home = Path(home).expanduser().absolute()
        from_file = _read_file(home / SETTINGS_FILE)
        from_environment = {
            name: value
            for name in from_file
            if (value := os.environ.get(f"CASSINI_{name.upper()}")) is not None
        }
        return PlatformSettings(**(from_file | from_environment | given | {"home": home}))
    except ValidationError as error:
        raise Invalid(_explain(error), code="settings") from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Invalid(
            f"the settings file {path} cannot be read: {error}; correct or remove it",
            code="settings",
        ) from None
    unknown = content.keys() - PlatformSettings.model_fields.keys()
    if unknown:
        names = ", ".join(sorted(unknown))
        raise Invalid(f"the settings file {path} has unknown names: {names}", code="settings")
    return content


def _explain(error: ValidationError) -> str:
    wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return "wrong settings: " + "; ".join(wrong)
