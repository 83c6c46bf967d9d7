"""Workspaces as the contract sends and shows them."""

from typing import Any, Literal

from services.api.images.schemas import ImageTagOut
from services.api.paging import PageOut
from services.api.people.owners import OwnerOut, OwnerReference
from services.api.resources.checks import (
    WORKING_DIRECTORY,
    AutoShutoff,
    ConfigFiles,
    Description,
    DiskSpace,
    EnvironmentVariables,
    ExtraPackagesIn,
    Ide,
    Name,
    Script,
    ShortText,
    Subdomain,
    Tags,
    WorkingDirectory,
)
from services.api.resources.models import Workspace
from services.api.resources.opening import page_url
from services.api.resources.surroundings import Surroundings
from services.api.wire import WireIn, WireOut, timestamp

INACTIVE_SETTINGS = ("auto_shutoff", "disk_space", "is_spot", "start_ssh", "subdomain")
"""Settings that are kept and shown and have no effect yet; every answer says so."""


class _Settable(WireIn):
    """What can be set at creation and changed later."""

    description: Description = ""
    tags: Tags | None = None
    instance_size: ShortText = ""
    image_uri: ShortText | None = None
    image_tag_id: ShortText | None = None
    image_enforce_trusted: bool = True
    environment_variables: EnvironmentVariables | None = None
    external_repo_attachments: list[dict[str, Any]] | None = None
    extra_packages: ExtraPackagesIn | None = None
    config_files: ConfigFiles | None = None
    start_script: Script | None = None
    working_dir: WorkingDirectory = WORKING_DIRECTORY
    is_spot: bool = False
    start_dind: bool = False
    disk_space: DiskSpace = "10Gi"
    subdomain: Subdomain | None = None
    auto_shutoff: AutoShutoff = "1 hour"
    start_ssh: bool = False


class WorkspaceCreate(_Settable):
    """A new workspace."""

    name: Name
    owner: OwnerReference | None = None
    ide: Ide = "jupyter"
    self_destruct: bool = False


class WorkspaceUpdate(_Settable):
    """A change of a workspace: only what is sent is changed."""

    name: Name = ""


class WorkspaceStart(WireIn):
    """How to start."""

    debug_mode: bool = False


class WorkspaceOut(WireOut):
    """A workspace. Beside the contract: ``reason``, ``message`` and ``inactive_settings``."""

    id: str
    name: str
    owner: OwnerOut
    description: str
    tags: dict[str, str] | None
    image_tag: ImageTagOut
    extra_packages: dict[str, Any] | None
    config_files: dict[str, dict[str, str]] | None
    ide: str
    start_script: str | None
    environment_variables: dict[str, str]
    working_dir: str
    disk_space: str
    instance_size: str
    auto_shutoff: str
    start_ssh: bool
    is_spot: bool
    subdomain: str
    start_dind: bool
    resource_type: Literal["workspace"] = "workspace"
    size_display: str
    k8s_name: str
    require_restart: bool
    created_at: str
    updated_at: str
    started_at: str | None
    self_destruct: bool
    status: str
    debug_mode: bool
    url: str
    """JupyterLab's own address while it runs, else the page that opens it once it does."""
    ssh_url: str | None = None
    reason: str | None
    message: str | None
    inactive_settings: tuple[str, ...] = INACTIVE_SETTINGS
    """Settings that are kept and have no effect in this version."""

    @classmethod
    def of(cls, row: Workspace, around: Surroundings, *, base_url: str) -> "WorkspaceOut":
        """Show a workspace; its row was checked when it was written and is not checked again."""
        return cls.model_construct(
            **{name: getattr(row, name) for name in _STORED},
            owner=around.shown_owners[row.owner_id],
            image_tag=around.shown_tags[row.image_tag_id],
            size_display=around.sizes.display(row.instance_size),
            created_at=timestamp(row.created_at),
            updated_at=timestamp(row.updated_at),
            started_at=None if row.started_at is None else timestamp(row.started_at),
            url=page_url(row, base_url),
        )


_TIMES = {"created_at", "updated_at", "started_at"}
_STORED = tuple(
    name for name in WorkspaceOut.model_fields if hasattr(Workspace, name) and name not in _TIMES
)
"""What is shown as it stands in the row."""


class WorkspaceList(PageOut):
    """A page of workspaces."""

    workspaces: list[WorkspaceOut]


class ActiveResourceList(PageOut):
    """A page of what is not stopped."""

    resources: list[WorkspaceOut]


class OpenLink(WireOut):
    """Where a workspace opens, with JupyterLab's token: for the owner's eyes only."""

    url: str
