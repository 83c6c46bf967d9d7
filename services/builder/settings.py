"""The settings of the builder's Docker backend, from variables ``CASSINI_BUILDER_<NAME>``."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.builder.extras import is_reference


class BuilderSettings(BaseSettings):
    """How images of containers are built and where they are kept."""

    model_config = SettingsConfigDict(env_prefix="CASSINI_BUILDER_", extra="ignore")

    docker_host: str | None = Field(
        default=None,
        max_length=512,
        description="The Docker engine, as in `unix:///var/run/docker.sock`; default: what"
        " `DOCKER_HOST` and its companions say",
    )
    docker_builder: Literal["auto", "buildkit", "classic"] = Field(
        default="auto",
        description="auto: BuildKit where the engine has it and the `docker` command with its"
        " `buildx` plugin is installed beside the builder, else the engine's classic builder",
    )
    base_image: str = Field(
        default="python:3.11-slim",
        description="What images stand on that name no base image; has Python 3 and bash",
    )
    build_network: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="The network of builds, `host` where only the host reaches the packages;"
        " default: the engine's",
    )
    package_index_file: Path | None = Field(
        default=None,
        description="A file that holds the address of the package index, with its user and"
        " password if it wants them; they are not left in images",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) that downloads of packages are checked against",
    )
    registry: str | None = Field(
        default=None,
        description="Where images are pushed to, as in `registry.example.com/team`; default: they"
        " stay in the engine",
    )
    registry_credentials_file: Path | None = Field(
        default=None, description="A file that holds `user:password` for that registry"
    )
    disk_budget_bytes: int | None = Field(
        default=None,
        ge=0,
        description="What images may take in the engine: past it those that nobody wants any more"
        " are removed, the longest unused first; default: no limit",
    )
    cache_budget_bytes: int | None = Field(
        default=None,
        ge=0,
        description="What BuildKit's cache may take in the engine; default: the engine's limit",
    )
    build_timeout: float = Field(
        default=3600, gt=0, le=86_400, description="Seconds after which a build is ended"
    )
    conda_channel: str = Field(
        default="conda-forge",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.:/-]{0,255})?$",
        description="Where conda packages come from, a name or an address; empty: no conda",
    )
    conda_image: str = Field(
        default="mambaorg/micromamba:2.0",
        description="The container image that `/bin/micromamba` is taken from",
    )

    @field_validator("base_image", "conda_image", "registry")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None and not is_reference(value):
            raise ValueError("this is not how a container image is written")
        return value
