"""The rows of resources and of the backends that can run them.

A resource's row has three parts: what people set, what was wished for last, and what is seen. An
edit touches the first only; ``started_digest`` tells whether it still is what the last wish was
made from. A deleted resource keeps its row until its absence is seen, out of everyone's sight; its
name is free at once, so the unique names are those of rows that are not deleted.
"""

import hashlib
import json
import time
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Column, Index, Text, text
from sqlmodel import Field

from cassini.contracts.resources import Wanted
from services.api.resources.status import ResourceStatus
from services.api.tables import ApiTable

SETTINGS = (
    "name",
    "image_tag_id",
    "instance_size",
    "environment_variables",
    "extra_packages",
    "config_files",
    "start_script",
    "working_dir",
    "token_generation",
)
"""What a workload is made from: a change of these needs a restart to take effect."""

_LIVE = text("deleted_at IS NULL")
ACTIVE = text("deleted_at IS NULL AND status != 'stopped'")
"""Literally what the index of active resources is made of, so that it is used."""
_WHERE_LIVE: dict[str, Any] = {"sqlite_where": _LIVE, "postgresql_where": _LIVE}
_WHERE_ACTIVE: dict[str, Any] = {"sqlite_where": ACTIVE, "postgresql_where": ACTIVE}


_VERSION = Column("version", BigInteger, nullable=False)


def _next_version(last: int | None) -> int:
    return max((last or 0) + 1, time.time_ns() // 1000)


class Workspace(ApiTable, table=True):
    """A Jupyter server. Times are in Unix seconds."""

    __tablename__ = "workspace"
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "version_id_col": _VERSION,
        "version_id_generator": _next_version,
    }
    __table_args__ = (
        Index(
            "workspace_name",
            "owner_id",
            "name",
            unique=True,
            **_WHERE_LIVE,
        ),
        Index(
            "workspace_subdomain",
            "subdomain",
            unique=True,
            **_WHERE_LIVE,
        ),
        Index("workspace_held", "held", "image_tag_id"),
        Index("workspace_page", "owner_id", "created_at", "id", **_WHERE_LIVE),
        Index("workspace_active", "created_at", "id", **_WHERE_ACTIVE),
        Index("workspace_version", "owner_id", "version"),
    )

    id: str = Field(primary_key=True, max_length=32)
    owner_id: str = Field(max_length=32)
    created_at: float
    updated_at: float
    deleted_at: float | None = None
    version: int = Field(default=0, sa_column=_VERSION)
    """Raised with every change: at least the last one + 1 and at least Unix microseconds."""

    name: str = Field(max_length=64)
    description: str = Field(default="", max_length=2048)
    tags: dict[str, str] | None = Field(default=None, sa_type=JSON)
    ide: str = Field(default="jupyter", max_length=16)
    image_tag_id: str = Field(max_length=32)
    instance_size: str = Field(max_length=32)
    environment_variables: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    extra_packages: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    config_files: dict[str, dict[str, str]] | None = Field(default=None, sa_type=JSON)
    start_script: str | None = Field(default=None, sa_type=Text)
    working_dir: str = Field(max_length=1024)
    disk_space: str = Field(max_length=16)
    auto_shutoff: str = Field(max_length=16)
    subdomain: str = Field(max_length=63)
    start_ssh: bool = False
    is_spot: bool = False
    start_dind: bool = False
    self_destruct: bool = False
    token_generation: int = 0
    """Counts how often its token was made anew on request: what runs then has the old one."""
    secrets_digest: str = Field(default="", max_length=64)
    """Of the secrets that a start now would be given (``secrets.py``); empty: of none."""

    wanted: str | None = Field(default=None, max_length=16)
    """What the last wish says; None: nothing was ever wished for."""
    generation: int = 0
    """The number of the last wish."""
    held: bool = False
    """A start is stored that waits for the image or a secret; its wish is not emitted yet."""
    debug_mode: bool = False
    started_digest: str | None = Field(default=None, max_length=64)
    """The digest of the settings that the last start was made from."""

    status: str = Field(default=ResourceStatus.STOPPED.value, max_length=16)
    reason: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, sa_type=Text)
    started_at: float | None = None
    address: str | None = Field(default=None, max_length=256)
    """``http://host:port/`` while it runs, never with a token."""

    def settings_digest(self) -> str:
        """Return the SHA-256 of what a workload is made from."""
        content = {name: getattr(self, name) for name in SETTINGS}
        if self.secrets_digest:  # without secrets it is what it was before there were any
            content["secrets_digest"] = self.secrets_digest
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def k8s_name(self) -> str:
        """The name of what runs for it."""
        return f"w-{self.id}"

    @property
    def wants_to_run(self) -> bool:
        """Whether it was started and not stopped since."""
        return self.held or self.wanted == Wanted.RUNNING

    @property
    def require_restart(self) -> bool:
        """Whether it was changed since it was started; a held start will take the changes in."""
        started = self.wanted == Wanted.RUNNING and not self.held
        return started and self.started_digest != self.settings_digest()


class PodRecord(ApiTable, table=True):
    """A pod that was seen, kept when it is gone. Times are in Unix seconds."""

    __tablename__ = "pod_record"
    __table_args__ = (Index("pod_record_of", "workload_id", "started_at", "name"),)

    name: str = Field(primary_key=True, max_length=96)
    workload_id: str = Field(max_length=32)
    status: str = Field(max_length=16)
    reason: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, sa_type=Text)
    started_at: float
    """When it was made."""
    finished_at: float | None = None
    exit_code: int | None = None
    last_seen: float
    gone: bool = False
    """It is in no fact any more."""


class Backend(ApiTable, table=True):
    """What a provisioner said last of what it can do."""

    __tablename__ = "backend"

    id: str = Field(primary_key=True, max_length=32)
    generation: int
    sequence: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=32)
    reachable: bool
    cores: float
    memory_bytes: int = Field(sa_type=BigInteger)
    isolation: str = Field(max_length=32)
    limits: list[str] = Field(default_factory=list, sa_type=JSON)
    message: str | None = Field(default=None, sa_type=Text)
