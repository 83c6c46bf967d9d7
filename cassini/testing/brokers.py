"""RabbitMQ for tests: one server for a test run, a virtual host for each test.

The server is the one whose address is given, or one in a container; the test processes of one run
share it, and the last one stops it.
"""

import fcntl
import json
import socket
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

IMAGE = "rabbitmq:4-management"
_USER = "guest"
_START_SECONDS = 90.0


@dataclass(frozen=True)
class Broker:
    """A RabbitMQ server: where it speaks AMQP, and its management API."""

    amqp: str
    """``amqp://user:password@host:port``, without a virtual host."""
    management: str
    """``http://host:port``."""
    container: str | None = None
    """The id of its container, if it is one of ours."""

    def url(self, vhost: str, *, user: str | None = None, password: str = "") -> str:
        """Return the address of a virtual host, for the administrator or another user."""
        parts = urlsplit(self.amqp)
        who = f"{parts.username}:{parts.password}"
        if user is not None:
            who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"{parts.scheme}://{who}@{parts.hostname}:{parts.port}/{quote(vhost, safe='')}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management API (blocking); returns its JSON, None where it says nothing.

        Raises:
            urllib.error.HTTPError: it refused.
            OSError: it is not there.
        """
        parts = urlsplit(self.amqp)
        secret = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - an address of ours
            f"{self.management}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {secret}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            said = answer.read()
        return json.loads(said) if said else None

    def await_start(self) -> None:
        """Wait until it answers and takes AMQP connections (blocking).

        Raises:
            TimeoutError: it did not in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if self.ask("GET", "health/checks/protocol-listener/amqp")["status"] == "ok":
                    return
            except (OSError, ValueError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"RabbitMQ does not answer: {error}") from error
            time.sleep(0.2)

    @contextmanager
    def fresh_vhost(self) -> Iterator[str]:
        """Make a virtual host; yields its name and deletes it with all it holds."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.ask("PUT", f"vhosts/{name}", {})
        user = quote(urlsplit(self.amqp).username or _USER, safe="")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.ask("PUT", f"permissions/{name}/{user}", everything)
        try:
            yield name
        finally:
            self.ask("DELETE", f"vhosts/{name}")


def given_broker(amqp: str, management: str | None) -> Broker:
    """Return the broker at an address; its management API is on port 15672 if nothing is said."""
    return Broker(amqp.rstrip("/"), management or f"http://{urlsplit(amqp).hostname}:15672")


@contextmanager
def container_broker() -> Iterator[Broker]:
    """Run a server in a container of its own, on ports that stay when it is restarted.

    Raises:
        docker.errors.DockerException: there is no Docker engine.
    """
    broker = _start_container()
    try:
        broker.await_start()
        yield broker
    finally:
        _remove_container(broker)


@contextmanager
def shared_broker(run: str) -> Iterator[Broker]:
    """Start the server of a test run, or join it.

    Raises:
        docker.errors.DockerException: there is no Docker engine.
    """
    file = Path(tempfile.gettempdir()) / f"cassini-rabbitmq-{run}.json"
    with _locked(file) as state:
        if not state:
            broker = _start_container()
            state |= {"users": 0, **vars(broker)}
        state["users"] += 1
        broker = Broker(state["amqp"], state["management"], state["container"])
    try:
        broker.await_start()
        yield broker
    finally:
        with _locked(file) as state:
            state["users"] -= 1
            if state["users"] == 0:
                _remove_container(broker)
                state.clear()
                file.unlink()


@contextmanager
def _locked(file: Path) -> Iterator[dict[str, Any]]:
    """Hold a file that the test processes share; what the dictionary holds is kept."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(file.read_text()) if file.exists() else {}
        yield state
        if state:
            file.write_text(json.dumps(state))


def _start_container() -> Broker:
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - only tests have it
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    # The last of the run's processes removes it: another container to see to that is not needed.
    testcontainers_config.ryuk_disabled = True
    amqp, management = _free_port(), _free_port()
    container = DockerContainer(IMAGE).with_bind_ports(5672, amqp)
    container = container.with_bind_ports(15672, management).with_kwargs(labels={"cassini": "test"})
    container.start()
    host = container.get_container_host_ip()
    return Broker(
        f"amqp://{_USER}:{_USER}@{host}:{amqp}",
        f"http://{host}:{management}",
        container.get_wrapped_container().id,
    )


def _remove_container(broker: Broker) -> None:
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    if broker.container is not None:
        DockerClient().client.containers.get(broker.container).remove(force=True, v=True)


def _free_port() -> int:
    with socket.create_server(("", 0)) as listener:
        return int(listener.getsockname()[1])
