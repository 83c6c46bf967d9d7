"""What a service of the distributed form is told."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from cassini.runtime.settings import PlatformSettings


class DistributedSettings(PlatformSettings):
    """Settings of one service in the distributed form, beside those of the platform."""

    database_url: str = Field(
        description="postgresql+asyncpg://user@host/database, the user this service's own"
    )
    bus_url: str = Field(
        description="amqp://user@host/vhost of RabbitMQ, the user this service's own"
    )
    bus_password_file: Path | None = Field(
        default=None, description="A file with the password to put into `bus_url`"
    )
    keys: Path = Field(description="The directory of this service's own keys (`cassini keys`)")
    public_keys: Path = Field(
        description="The directory of all services' public keys and of the installation's id"
    )
    internal_host: str = Field(
        default="127.0.0.1", description="Where probes, metrics and other services' questions come"
    )
    internal_port: int = Field(default=8766, ge=1, le=65535, description="The port for them")
    provisioner_url: str = Field(
        default="http://provisioner:8766", description="Where the api asks for logs and metrics"
    )
    builder_url: str = Field(
        default="http://builder:8766", description="Where the api asks for logs of builds"
    )
    images: Literal["docker", "local"] = Field(
        default="docker", description="What makes images (builder)"
    )
    pods: Literal["docker", "local"] = Field(
        default="docker", description="Where workloads run (provisioner)"
    )
    store: Literal["vault", "local"] = Field(
        default="vault", description="Where secret values are kept (secrets)"
    )
