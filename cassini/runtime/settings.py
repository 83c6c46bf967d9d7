"""The settings every service shares, and where they come from.

In falling order: command-line flags, environment variables ``CASSINI_<NAME>``, the file
``cassini.toml`` in the data directory, the defaults here. ``docs/settings.md`` is generated from
these classes.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url

from cassini.runtime.errors import Invalid

SETTINGS_FILE = "cassini.toml"
_LOCAL = {"127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound


def default_home() -> Path:
    """Return where data is kept: system-wide for root, under the home directory for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/cassini")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "cassini"


class SizeSettings(BaseModel):
    """An instance size that an admin offers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[A-Za-z0-9][-_.A-Za-z0-9]{0,31}$",
        description="What clients and recipes say: letters, digits, `-`, `_` and `.`",
    )
    cores: int = Field(ge=1, le=4096, description="Processor cores")
    memory: str = Field(
        pattern=r"^[1-9][0-9]{0,6}(Mi|Gi|Ti)$", description="Memory: `512Mi`, `4Gi`, `1Ti`"
    )
    display_name: str = Field(
        default="", max_length=64, description="What people see; default: the name, capitalised"
    )
    description: str = Field(default="", max_length=512, description="A sentence for people")
    price_per_hour: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="What an hour costs, in any currency"
    )


class PlatformSettings(BaseSettings):
    """Settings of the embedded form, and of the API in any form."""

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
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        max_length=2048,
        description="Where traces are sent: an OpenTelemetry collector's address for OTLP over"
        " HTTP, like `http://collector:4318`; default: nowhere",
    )
    database_url: str | None = Field(
        default=None,
        description="postgresql+asyncpg://… instead of the SQLite files in the data directory",
    )
    database_password_file: Path | None = Field(
        default=None, description="A file with the password to put into `database_url`"
    )
    keys: Path | None = Field(
        default=None, description="The directory of keys; default: `keys` in the data directory"
    )
    internal_url: str | None = Field(
        default=None,
        description="How running workspaces reach the platform; default: as people do",
    )
    sizes: Annotated[tuple[SizeSettings, ...], NoDecode] = Field(
        default=(),
        max_length=100,
        description="The instance sizes on offer, first the one that is given where none is named"
        " ([more](#sizes)); default: those of a built-in table that fit the machine",
    )

    @field_validator("sizes", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        """Read what the environment variable holds: the sizes as JSON."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"the value is not JSON ({error})") from None

    @model_validator(mode="after")
    def _each_size_once(self) -> Self:
        names = [size.name for size in self.sizes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sizes: {', '.join(twice)} is there more than once")
        return self

    @property
    def url(self) -> str:
        """The address people use, without a slash at its end.

        On loopback it is ``localhost`` by name: a browser sends cookies to every port of a host
        name, and the workspaces' own servers answer on 127.0.0.1, so they never get the session.
        """
        host = "localhost" if self.host in _LOCAL else self.host
        return (self.base_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def url_for_workloads(self) -> str:
        """The address running workspaces use, without a slash at its end."""
        return (self.internal_url or self.url).rstrip("/")

    @property
    def database_address(self) -> str | None:
        """The address of the database with its password; None: SQLite files."""
        return with_password(self.database_url, self.database_password_file)


S = TypeVar("S", bound=PlatformSettings)


def with_password(url: str | None, password_file: Path | None) -> str | None:
    """Return an address with the password that a file holds, where one is named.

    Raises:
        Invalid: the file cannot be read.
    """
    if url is None or password_file is None:
        return url
    try:
        password = password_file.read_text().strip()
    except OSError as error:
        raise Invalid(
            f"the password file {password_file} cannot be read: {error.strerror}"
        ) from None
    return make_url(url).set(password=password).render_as_string(hide_password=False)


def load_settings(kind: type[S], **flags: Any) -> S:
    """Read the settings; flags that are None were not given.

    Raises:
        Invalid: a setting is wrong or the file cannot be read; the message says which and why.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        home = given.get("home") or os.environ.get("CASSINI_HOME") or default_home()
        home = Path(home).expanduser().absolute()
        from_file = _read_file(home / SETTINGS_FILE, kind)
        from_environment = {
            name: value
            for name in from_file
            if (value := os.environ.get(f"CASSINI_{name.upper()}")) is not None
        }
        return kind(**(from_file | from_environment | given | {"home": home}))
    except ValidationError as error:
        raise Invalid(explain(error), code="settings") from None


def _read_file(path: Path, kind: type[PlatformSettings]) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Invalid(
            f"the settings file {path} cannot be read: {error}; correct or remove it",
            code="settings",
        ) from None
    unknown = content.keys() - kind.model_fields.keys()
    if unknown:
        names = ", ".join(sorted(unknown))
        raise Invalid(f"the settings file {path} has unknown names: {names}", code="settings")
    return content


def explain(error: ValidationError, *, prefix: str = "") -> str:
    """Say for people which settings are wrong and why; ``prefix`` begins variables' names."""
    return "wrong settings: " + "; ".join(_one_wrong(each, prefix) for each in error.errors())


def _one_wrong(wrong: ErrorDetails, prefix: str) -> str:
    name = ".".join(map(str, wrong["loc"]))
    if prefix:
        name = f"{prefix}{name.upper()}" if name else ""
    return ": ".join(filter(None, (name, wrong["msg"])))
