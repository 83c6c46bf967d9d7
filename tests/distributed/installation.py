"""An installation of the distributed form on this machine: each service a process, its own replica.

Real RabbitMQ and PostgreSQL, local processes as pods, local images, the local store: what is
tested is that services in processes of their own are one platform.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cassini.contracts.resources import ServiceName
from services.distributed.keys import make_keys
from tests.system.client import Client
from tests.system.platform import CASSINI, Home, environment, free_port
from tests.system.waiting import until

START_SECONDS, STOP_SECONDS = 60.0, 40.0


class Replica:
    """One process of one service."""

    def __init__(self, name: ServiceName, home: Home, settings: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.internal = f"http://127.0.0.1:{settings['CASSINI_INTERNAL_PORT']}"
        with log.open("ab") as err:
            self.process = subprocess.Popen(
                [CASSINI, "run", name],
                env=environment(home, **settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
        home.children.append(self.process)

    def probe(self, what: str) -> tuple[int, str]:
        """Return status and message of a probe; 0 where nobody answers."""
        try:
            reply = httpx.get(f"{self.internal}/health/{what}", timeout=10, trust_env=False)
        except httpx.HTTPError as error:
            return 0, str(error)
        return reply.status_code, str(reply.json().get("message", ""))

    def metrics(self) -> str:
        """Return what Prometheus is told."""
        reply = httpx.get(f"{self.internal}/metrics", timeout=10, trust_env=False)
        return reply.raise_for_status().text

    def wait_ready(self) -> None:
        """Wait until it can do its work."""

        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            return self.probe("ready")[0] == httpx.codes.OK

        until(ready, f"{self.name} ready ({self.log})", seconds=START_SECONDS)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def end(self) -> int:
        """Ask it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


class Installation:
    """All services on one data directory."""

    def __init__(self, home: Home, logs: Path, *, database_url: str, bus_url: str) -> None:
        self.home = home
        self.logs = logs
        self.settings = {"CASSINI_DATABASE_URL": database_url, "CASSINI_BUS_URL": bus_url}
        self.ports = {name: free_port() for name in ServiceName}
        self.replicas: list[Replica] = []
        make_keys(home.path / "installation" / "private", home.path / "installation" / "public")

    def start(self, name: ServiceName, *, port: int | None = None) -> Replica:
        """Start one more replica of a service; the first one is whom the api asks."""
        first = all(each.name is not name for each in self.replicas)
        internal = self.ports[name] if first else free_port()
        keys = self.home.path / "installation"
        settings = self.settings | {
            "CASSINI_KEYS": str(keys / "private" / name),
            "CASSINI_PUBLIC_KEYS": str(keys / "public"),
            "CASSINI_INTERNAL_PORT": str(internal),
            "CASSINI_PORT": str(port or free_port()),
            "CASSINI_PROVISIONER_URL": f"http://127.0.0.1:{self.ports[ServiceName.PROVISIONER]}",
            "CASSINI_BUILDER_URL": f"http://127.0.0.1:{self.ports[ServiceName.BUILDER]}",
            "CASSINI_IMAGES": "local",
            "CASSINI_PODS": "local",
            "CASSINI_STORE": "local",
            "CASSINI_LOG_FORMAT": "json",
        }
        log = self.logs / f"{name}-{len(self.replicas)}.log"
        replica = Replica(name, self.home, settings, log)
        self.replicas.append(replica)
        return replica

    def command(self, *words: str) -> str:
        """Run ``cassini`` with the api's settings; returns what it prints."""
        keys = self.home.path / "installation" / "private" / "api"
        settings = self.settings | {"CASSINI_KEYS": str(keys)}
        done = subprocess.run(
            [CASSINI, *words],
            env=environment(self.home, **settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, port: int) -> Client:
        """Return a client of the api at a port, with a new token of the admin."""
        return Client(f"http://localhost:{port}", self.command("admin", "token").strip())

    def end(self) -> list[int]:
        """End all that run; returns exit codes."""
        return [each.end() for each in self.replicas if each.process.poll() is None]


@contextmanager
def running(installation: Installation) -> Iterator[Installation]:
    """End every process at the end, also of a test that failed."""
    try:
        yield installation
    finally:
        for each in installation.replicas:
            if each.process.poll() is None:
                each.kill()
