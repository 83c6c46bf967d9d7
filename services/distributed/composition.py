"""How each service is put together where it has a process of its own.

A service gets its own user of PostgreSQL and RabbitMQ, its own keys, and the doors its settings
name. Only the service that runs is imported, and only the backends that it uses.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.routing import Route
from starlette.types import ASGIApp

from cassini.contracts.resources import ServiceName
from cassini.runtime.bus_rabbitmq import RabbitBus
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.errors import Invalid
from cassini.runtime.log_source_http import HttpLogSource, Peer, log_routes
from cassini.runtime.service import Ground, Service
from cassini.runtime.settings import with_password
from services.distributed.keys import ServiceKeys
from services.distributed.settings import DistributedSettings

if TYPE_CHECKING:
    from services.provisioner.backends.base import Backend


class Closed(Protocol):
    """Something with connections of its own."""

    async def close(self) -> None:
        """Close them."""


@dataclass(frozen=True)
class Composed:
    """One service, what it answers inside, and (the api) outside once it is prepared."""

    service: Service
    internal_routes: Sequence[Route] = ()
    public_app: Callable[[], ASGIApp] | None = None
    beside: Sequence[Closed] = ()
    """What the service uses and does not close itself."""

    async def close(self) -> None:
        """Close what stands beside the service."""
        for each in self.beside:
            await each.close()


class Composition:
    """Puts one service together, as often as it is started anew."""

    def __init__(self, name: ServiceName, settings: DistributedSettings) -> None:
        self.name = name
        self.settings = settings
        self.keys = ServiceKeys(name, settings.keys, settings.public_keys)
        self.clock = SystemClock()

    def compose(self) -> Composed:
        """Return the service, connected to nothing yet."""
        return _MAKERS[self.name](self)

    def database(self) -> Database:
        """Return the service's own schema."""
        address = self.settings.database_address
        if address is None or not address.startswith("postgresql"):
            raise Invalid("the distributed form needs PostgreSQL: set CASSINI_DATABASE_URL")
        return Database(address, schema=self.name)

    def ground(self) -> Ground:
        """Return what the service stands on."""
        bus = RabbitBus(
            with_password(self.settings.bus_url, self.settings.bus_password_file) or "",
            service=self.name,
            replica=f"{socket.gethostname()}-{os.getpid()}",
        )
        return Ground(
            database=self.database(),
            bus=bus,
            clock=self.clock,
            sealer=self.keys.sealer(),
            opener=self.keys.opener(),
            exclusive=False,
            otlp_endpoint=self.settings.otlp_endpoint,
        )

    def log_source(self) -> HttpLogSource:
        """Return where the api asks for logs."""
        urls = {
            ServiceName.PROVISIONER: self.settings.provisioner_url,
            ServiceName.BUILDER: self.settings.builder_url,
        }
        pods, builds = (
            Peer(name, url, self.keys.signer(name, self.clock)) for name, url in urls.items()
        )
        return HttpLogSource(pods, builds)

    def log_routes(self, service: Service) -> list[Route]:
        """Return the routes under which the api may ask this service for logs."""
        return log_routes(service, self.keys.verifier([ServiceName.API], self.clock))


def _api(made: Composition) -> Composed:
    from services.api.app import create_app  # noqa: PLC0415 - only the service that runs
    from services.api.service import ApiService  # noqa: PLC0415

    logs = made.log_source()
    api = ApiService(
        made.ground(), settings=made.settings, keys=made.settings.keys, log_source=logs
    )
    return Composed(api, public_app=lambda: create_app(api.context), beside=[logs])


def _scheduler(made: Composition) -> Composed:
    from services.scheduler.service import SchedulerService  # noqa: PLC0415

    return Composed(SchedulerService(made.ground()))


def _secrets(made: Composition) -> Composed:
    from services.secrets.service import SecretsService  # noqa: PLC0415

    if made.settings.store == "vault":
        from services.secrets.settings import load_vault_settings  # noqa: PLC0415
        from services.secrets.stores.vault import VaultStore  # noqa: PLC0415

        return Composed(SecretsService(made.ground(), VaultStore(load_vault_settings())))
    from services.secrets.stores.local import LocalStore  # noqa: PLC0415

    home, keys = made.settings.home, made.settings.keys
    store = LocalStore(home / "store", keys / "store.key")
    return Composed(SecretsService(made.ground(), store))


def _builder(made: Composition) -> Composed:
    from services.builder.service import BuilderService  # noqa: PLC0415

    home = made.settings.home
    if made.settings.images == "local":
        from services.builder.backends.local_env import LocalEnvBackend  # noqa: PLC0415

        local = LocalEnvBackend(images=home / "images", cache=home / "package-cache")
        builder = BuilderService(made.ground(), local, home / "build-logs")
        return Composed(builder, internal_routes=made.log_routes(builder))
    from services.builder.backends.docker.backend import DockerBackend  # noqa: PLC0415
    from services.builder.settings import BuilderSettings  # noqa: PLC0415

    engine = DockerBackend(
        BuilderSettings(), installation_id=made.keys.installation_id, work=home / "builds"
    )
    builder = BuilderService(made.ground(), engine, home / "build-logs")
    return Composed(builder, internal_routes=made.log_routes(builder), beside=[engine])


def _provisioner(made: Composition) -> Composed:
    from services.provisioner.service import ProvisionerService  # noqa: PLC0415

    provisioner = ProvisionerService(made.ground(), _pods(made), log_days=made.settings.log_days)
    return Composed(provisioner, internal_routes=made.log_routes(provisioner))


def _pods(made: Composition) -> "Backend":
    installation = made.keys.installation_id
    if made.settings.pods == "local":
        from services.provisioner.backends.local import LocalBackend  # noqa: PLC0415

        return LocalBackend(data=made.settings.home, installation_id=installation)
    from services.provisioner.backends.docker import DockerBackend  # noqa: PLC0415

    return DockerBackend(installation_id=installation)


_MAKERS: Mapping[ServiceName, Callable[[Composition], Composed]] = {
    ServiceName.API: _api,
    ServiceName.SCHEDULER: _scheduler,
    ServiceName.SECRETS: _secrets,
    ServiceName.BUILDER: _builder,
    ServiceName.PROVISIONER: _provisioner,
}
