"""What an installation is and offers, as the contract shows it."""

from typing import Self, get_args

from pydantic import Field

from services.api.images.schemas import ImageTagOut
from services.api.resources.checks import AutoShutoff
from services.api.resources.sizes import DISK_SPACE, Size, Sizes
from services.api.wire import HardwareType, WireOut


class Auth0Out(WireOut):
    """Signing in by Auth0, which Cassini does not do."""

    enabled: bool = False
    connections: dict[str, str] = Field(default_factory=dict)
    disable_native_login: bool = False


class WhiteLabelOut(WireOut):
    """How the product presents itself."""

    enabled: bool = False
    brand_name: str = "Cassini"
    brand_short_name: str | None = None
    logo_mode: str = "icon_and_text"
    logo_icon_url: str = ""
    logo_full_url: str = ""
    favicon_url: str | None = None
    primary_color: str = "#2f6f8f"
    cloud_display_names: dict[str, str] | None = None
    cloud_icon_urls: dict[str, str] | None = None
    support_email: str = ""
    website_url: str = ""
    docs_url: str | None = None


class AppInfo(WireOut):
    """The installation. What is off by default here, Cassini does not have."""

    cloud_provider: str = "local"
    is_multicluster: bool = False
    allow_deployment_public_access: bool = False
    is_enterprise: bool = True
    customer_name: str = "Cassini"
    stripe_public_key: str | None = None
    hotjar_user_tracking: bool = False
    version: str
    auth0: Auth0Out = Auth0Out()
    network_filesystem_enabled: bool = False
    git_repo_clone_dir: str
    app_serving_domain: str
    dind_enabled: bool = False
    token_factory_enabled_global: bool = False
    apply_requires_confirm: bool = False
    hide_invitations: bool = True
    populate_examples: bool = False
    whitelabel: WhiteLabelOut = WhiteLabelOut()
    hide_resource_creation_bar: bool = False
    user_tracking: bool = False


class DiskSpaceOption(WireOut):
    """A size of a home directory."""

    value: str
    display_str: str


class InstanceSize(WireOut):
    """What a resource's processes can have of a machine."""

    name: str
    cores: int
    memory: str
    gpu: int = 0
    gpu_type: str | None = None
    hardware_type: HardwareType = "CPU"
    cloud: str
    display: str
    display_name: str
    price_per_hour: float | None
    description: str
    disabled: bool
    disabled_message: str

    @classmethod
    def of(cls, size: Size) -> Self:
        """Show a size."""
        return cls(
            name=size.name,
            cores=size.cores,
            memory=size.memory,
            cloud=size.cloud,
            display=size.display,
            display_name=size.display_name,
            price_per_hour=size.price_per_hour,
            description=size.description,
            disabled=bool(size.disabled_message),
            disabled_message=size.disabled_message,
        )


def _auto_shutoff() -> tuple[AutoShutoff, ...]:
    return get_args(AutoShutoff)


def _disk_space() -> tuple[DiskSpaceOption, ...]:
    shown = ((value, value.replace("Gi", " GB")) for value in DISK_SPACE)
    return tuple(DiskSpaceOption(value=value, display_str=text) for value, text in shown)


class ServerOptions(WireOut):
    """What resources can be given."""

    auto_shutoff: tuple[AutoShutoff, ...]
    disk_space: tuple[DiskSpaceOption, ...]
    sizes: dict[str, InstanceSize]

    @classmethod
    def of(cls, sizes: Sizes) -> Self:
        """Show what is offered."""
        return cls(
            auto_shutoff=_auto_shutoff(),
            disk_space=_disk_space(),
            sizes={size.name: InstanceSize.of(size) for size in sizes.all},
        )


class WorkspaceServerOptions(WireOut):
    """What workspaces can be given."""

    auto_shutoff: tuple[AutoShutoff, ...]
    disk_space: tuple[DiskSpaceOption, ...]
    size: tuple[InstanceSize, ...]

    @classmethod
    def of(cls, sizes: Sizes) -> Self:
        """Show what is offered."""
        return cls(
            auto_shutoff=_auto_shutoff(),
            disk_space=_disk_space(),
            size=tuple(InstanceSize.of(size) for size in sizes.all),
        )


class CpuImage(WireOut):
    """The image that is given where none is named; there is one for processors only."""

    CPU: ImageTagOut


class NoImages(WireOut):
    """No default image: none here has RStudio."""


class IdeImages(WireOut):
    """The default images of each kind of server."""

    jupyter: CpuImage
    rstudio: NoImages = NoImages()


class DefaultSizes(WireOut):
    """The size that is given where none is named; there are sizes without GPUs only."""

    CPU: InstanceSize


class WorkspaceServerInfo(WireOut):
    """What workspaces can be given, and what they get by default."""

    server_options: WorkspaceServerOptions
    default_images: IdeImages
    default_sizes: DefaultSizes
