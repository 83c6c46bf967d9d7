"""Workspaces as the contract sends and shows them."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

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
    ImageTagId,
    ImageUri,
    InstanceSize,
    Name,
    Script,
    ShortText,
    Subdomain,
    Tags,
    WorkingDirectory,
)
from services.api.resources.models import Workspace
from services.api.resources.opening import page_url
from services.api.resources.status import ResourceStatus
from services.api.resources.surroundings import Surroundings
from services.api.wire import DateTime, Url, WireChange, WireIn, WireOut, timestamp

INACTIVE_SETTINGS = ("auto_shutoff", "disk_space", "is_spot", "start_ssh", "subdomain")
"""Settings that are kept and shown and have no effect yet; every answer says so."""


class RepositoryAttachment(WireIn):
    """A git repository to be cloned at every start."""

    external_repo_id: ShortText
    path: ShortText = ""
    on_restart: Literal["preserve changes", "reclone"] = "preserve changes"
    ref: ShortText | None = None
    ref_type: Literal["branch", "commit", "tag"] = "branch"


# What is refused in words (``editing.py``), the description says too.
NoAttachments = Annotated[list[RepositoryAttachment], Field(json_schema_extra={"maxItems": 0})]
NotOffered = Annotated[bool, Field(json_schema_extra={"enum": [False]})]


_STATUSES = [status.value for status in ResourceStatus]
Status = Annotated[str, WithJsonSchema({"type": "string", "enum": _STATUSES})]


class ExtraPackagesOut(ExtraPackagesIn):
    """Packages that are installed at every start."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class _Settable(WireIn):
    """What can be set at creation and changed later."""

    description: Description = ""
    tags: Tags | None = None
    instance_size: InstanceSize = ""
    image_uri: ImageUri | None = None
    image_tag_id: ImageTagId | None = None
    image_enforce_trusted: bool = True
    environment_variables: EnvironmentVariables | None = None
    external_repo_attachments: NoAttachments | None = None
    extra_packages: ExtraPackagesIn | None = None
    config_files: ConfigFiles | None = None
    start_script: Script | None = None
    working_dir: WorkingDirectory = WORKING_DIRECTORY
    is_spot: bool = False
    start_dind: NotOffered = False
    disk_space: DiskSpace = "10Gi"
    subdomain: Subdomain | None = None
    auto_shutoff: AutoShutoff = "1 hour"
    start_ssh: bool = False


class WorkspaceCreate(_Settable):
    """A new workspace."""

    name: Name
    owner: OwnerReference | None = None
    ide: Annotated[Ide, Field(json_schema_extra={"enum": ["jupyter"]})] = "jupyter"
    self_destruct: bool = False


class WorkspaceUpdate(_Settable, WireChange):
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
    extra_packages: ExtraPackagesOut | None
    config_files: dict[str, dict[str, str]] | None
    ide: Ide
    start_script: str | None
    environment_variables: dict[str, str]
    working_dir: str
    disk_space: str
    instance_size: str
    auto_shutoff: AutoShutoff
    start_ssh: bool
    is_spot: bool
    subdomain: str
    start_dind: bool
    resource_type: Literal["workspace"] = "workspace"
    size_display: str
    k8s_name: str
    require_restart: bool
    created_at: DateTime
    updated_at: DateTime
    started_at: DateTime | None
    self_destruct: bool
    status: Status
    debug_mode: bool
    url: Url
    """JupyterLab's own address while it runs, else the page that opens it once it does."""
    ssh_url: Url | None = None
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
            extra_packages=_packages(row.extra_packages),
            size_display=around.sizes.display(row.instance_size),
            created_at=timestamp(row.created_at),
            updated_at=timestamp(row.updated_at),
            started_at=None if row.started_at is None else timestamp(row.started_at),
            url=page_url(row, base_url),
            inactive_settings=INACTIVE_SETTINGS,  # a default would be copied for every row
        )


def _packages(stored: dict[str, Any] | None) -> ExtraPackagesOut | None:
    return None if stored is None else ExtraPackagesOut.model_construct(**stored)


_MADE = {"created_at", "updated_at", "started_at", "extra_packages"}
_STORED = tuple(
    name for name in WorkspaceOut.model_fields if hasattr(Workspace, name) and name not in _MADE
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

    url: Url
