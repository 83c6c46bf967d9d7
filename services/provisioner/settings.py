"""Settings of the provisioner's backends beyond those every service shares.

The embedded form uses none of them.
"""

from ipaddress import IPv4Network
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DockerSettings(BaseSettings):
    """The Docker backend: ``CASSINI_DOCKER_<NAME>``; read only where pods are containers."""

    model_config = SettingsConfigDict(env_prefix="CASSINI_DOCKER_", extra="ignore", frozen=True)

    host: str = Field(
        default="",
        max_length=1000,
        description="The engine's address, as in `DOCKER_HOST`, which is used if this is empty",
    )
    call_seconds: float = Field(
        default=45, ge=2, le=600, description="How long the engine may take to answer a call"
    )
    pull_seconds: float = Field(
        default=3600, ge=10, le=86400, description="How long the pull of an image may take"
    )
    network_pool: IPv4Network = Field(
        default=IPv4Network("10.201.0.0/16"),
        description="Addresses that workloads' networks are taken from; nothing else may use them",
    )
    network_bits: int = Field(
        default=28,
        ge=8,
        le=29,
        description="Prefix length of one workload's network: 28 gives room for 13 pods",
    )
    gateway: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]*$",
        max_length=128,
        description="Containers with the label `cassini.gateway` of this value are joined to every"
        " workload's network, where pods reach them as `cassini`",
    )
    log_file_megabytes: int = Field(
        default=8, ge=1, le=1024, description="When a pod's log file is rotated"
    )
    log_files: int = Field(default=4, ge=2, le=100, description="How many log files a pod keeps")
    processes: int = Field(
        default=8192, ge=64, le=4194304, description="How many processes and threads a pod may have"
    )
    sudo: bool = Field(
        default=True,
        description="Whether `sudo` works in pods, as images promise; if not, no process of a pod "
        "can gain any privilege",
    )
    trash_days: float = Field(
        default=7, ge=0, le=3650, description="How long the homes of deleted resources are kept"
    )

    @model_validator(mode="after")
    def _networks_fit(self) -> Self:
        if self.network_bits < self.network_pool.prefixlen:
            raise ValueError("network_bits must not be smaller than the prefix of network_pool")
        return self
