"""Keys of an installation: made once, shared by a service's replicas, given to that service alone.

``private/<service>/`` holds what only that service may read: ``seal.key`` (its half of the sealing
keys; ``seal.old.key`` beside it while keys are rotated), the passwords of its database and broker
users, and for the api the keys of its tokens. ``public/`` is for all: ``<service>.pub`` (one
public key a line, the one to seal to first) and ``installation-id``. ``private/postgres`` and
``private/rabbitmq`` hold what these two servers need to know the services. Keys and passwords that
are there already are kept.
"""

import base64
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from nacl.public import PrivateKey, PublicKey

from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.broker_definitions import broker_definitions
from cassini.runtime.clock import Clock
from cassini.runtime.errors import Invalid
from cassini.runtime.request_signing import RequestSigner, RequestVerifier
from cassini.runtime.sealing import Opener, Sealer, secret_file
from services.api.keys import load_keys

SEAL_KEY, OLD_SEAL_KEY = "seal.key", "seal.old.key"
DATABASE_PASSWORD, BUS_PASSWORD = "database-password", "bus-password"
_PASSWORD_BYTES = 24


class ServiceKeys:
    """The keys of one service, and everybody's public ones."""

    def __init__(self, service: ServiceName, private: Path, public: Path) -> None:
        """Read them.

        Raises:
            Invalid: a file is not there or not a key; the message says which.
        """
        self._service = service
        paths = [private / SEAL_KEY, private / OLD_SEAL_KEY]
        with_old = paths if paths[1].exists() else paths[:1]
        try:
            self._private = [PrivateKey(path.read_bytes()) for path in with_old]
            self._public = {name: _public_keys(public / f"{name}.pub") for name in ServiceName}
            self.installation_id = (public / "installation-id").read_text().strip()
        except (OSError, ValueError, TypeError) as error:
            raise Invalid(
                f"the keys cannot be read ({error}): make them with `cassini keys`"
            ) from None

    def sealer(self) -> Sealer:
        """Return what seals to any service."""
        return Sealer({name: keys[0] for name, keys in self._public.items()})

    def opener(self) -> Opener:
        """Return what opens texts sealed to this service."""
        return Opener(self._service, self._private)

    def signer(self, asked: ServiceName, clock: Clock) -> RequestSigner:
        """Return what signs requests to another service."""
        return RequestSigner(self._service, self._private[0], self._public[asked][0], clock)

    def verifier(self, callers: Iterable[ServiceName], clock: Clock) -> RequestVerifier:
        """Return what checks requests of these services."""
        keys = [(name, key) for name in callers for key in self._public[name]]
        return RequestVerifier(self._private, keys, clock)


def make_keys(private: Path, public: Path, *, owner: int | None = None) -> None:
    """Make what is missing; ``owner``: the uid that the services run as (root only)."""
    public.mkdir(mode=0o755, parents=True, exist_ok=True)
    for service in ServiceName:
        own = private / service
        key = PrivateKey(secret_file(own / SEAL_KEY, PrivateKey.SIZE))
        _write_new(public / f"{service}.pub", base64.b64encode(bytes(key.public_key)).decode())
        for name in (DATABASE_PASSWORD, BUS_PASSWORD):
            _write_new(own / name, _password(), mode=0o600)
    load_keys(private / ServiceName.API)
    _write_new(public / "installation-id", new_id())
    if owner is not None:
        for service in ServiceName:
            for path in (private / service, *(private / service).iterdir()):
                os.chown(path, owner, owner)
    _make_servers(private)


def _make_servers(private: Path) -> None:
    """Write what PostgreSQL and RabbitMQ read at their start, as users of their own."""
    postgres, rabbitmq = private / "postgres", private / "rabbitmq"
    for server in (postgres, rabbitmq):
        server.mkdir(mode=0o755, parents=True, exist_ok=True)
    _write_new(postgres / "postgres-password", _password(), mode=0o644)
    _write_new(rabbitmq / "administrator-password", _password(), mode=0o644)
    database = {name: _read(private / name / DATABASE_PASSWORD) for name in ServiceName}
    _write_new(postgres / "roles.sql", _roles(database), mode=0o644)
    made = broker_definitions(
        {name: _read(private / name / BUS_PASSWORD) for name in ServiceName},
        administrator_password=_read(rabbitmq / "administrator-password"),
        salt=lambda: os.urandom(4),
    )
    # Made anew each time: another release's catalogue means other permissions.
    _write(rabbitmq / "definitions.json", json.dumps(made), mode=0o644)


def _roles(passwords: dict[ServiceName, str]) -> str:
    """One role and one schema a service; nobody else may look into it."""
    lines = ["REVOKE ALL ON SCHEMA public FROM PUBLIC;"]
    for name, password in passwords.items():
        lines.append(f"CREATE ROLE {name} LOGIN PASSWORD '{password}';")
        lines.append(f"CREATE SCHEMA {name} AUTHORIZATION {name};")
    return "\n".join(lines) + "\n"


def _public_keys(path: Path) -> list[PublicKey]:
    return [PublicKey(base64.b64decode(line)) for line in path.read_text().split()]


def _password() -> str:
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def _read(path: Path) -> str:
    return path.read_text().strip()


def _write_new(path: Path, text: str, *, mode: int = 0o644) -> None:
    if not path.exists():
        _write(path, text, mode=mode)


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(f"{text}\n")
    draft.chmod(mode)
    draft.replace(path)
