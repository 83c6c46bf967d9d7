"""The distributed form as ``docker compose`` runs it, under a project name of its own.

Everything is the real thing: the images, volumes and networks of ``docker-compose.yml``. What
belongs to it is found by the project's and the installation's labels and removed at the end.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.system.client import Client
from tests.system.platform import free_port

ROOT = Path(__file__).parents[2]
BUILD_SECONDS, COMMAND_SECONDS = 900.0, 300.0
SERVICES = ("api", "scheduler", "secrets", "builder", "provisioner")
INSTALLATION_LABEL, BUILT_LABEL = "cassini.installation", "io.cassini.installation"
"""Of everything that belongs to an installation, and of the images it built."""
WORKLOAD_LABEL = "cassini.workload"
"""Whose a container, network or home is."""


@dataclass(frozen=True)
class Found:
    """One container of a workload, as the engine lists it."""

    container: str
    workload: str
    revision: int


def run(
    *words: str | Path, seconds: float = COMMAND_SECONDS, given: str = "", **environment: str
) -> str:
    """Run a command with a text on its standard input; returns what it printed.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}"
    return done.stdout


class Stack:
    """One compose project."""

    def __init__(self, project: str, *, port: int | None = None) -> None:
        self.project = project
        self.image = f"{project}:local"
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.ended_by_us: set[str] = set()
        """Ids of workloads' containers that a fault has ended."""
        self.engine_restarts: list[float] = []
        """Unix seconds at which the engine was there again after a fault."""
        self._installation = ""
        socket = Path("/var/run/docker.sock")
        self._environment = {
            "COMPOSE_PROJECT_NAME": project,
            "CASSINI_IMAGE": self.image,
            "CASSINI_PORT": str(self.port),
            "DOCKER_GID": str(socket.stat().st_gid),
        }

    def compose(self, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run ``docker compose`` in this project."""
        return run("docker", "compose", *words, seconds=seconds, **self._environment)

    def compose_bytes(
        self, *words: str, given: Path | None = None, to: Path = Path(os.devnull)
    ) -> None:
        """Run ``docker compose`` on a file's bytes, and write what it prints to a file."""
        command, environment = ("docker", "compose", *words), os.environ | self._environment
        with (given or Path(os.devnull)).open("rb") as read, to.open("wb") as written:
            subprocess.run(
                command, cwd=ROOT, env=environment, stdin=read, stdout=written, check=True
            )

    def up(self, *, replicas: int = 1) -> None:
        """Build and start everything, and wait until a server could be started."""
        scale = [word for name in SERVICES for word in ("--scale", f"{name}={replicas}")]
        self.compose("up", "--build", "--detach", *scale, seconds=BUILD_SECONDS)
        self.wait(seconds=BUILD_SECONDS)

    def wait(self, *, seconds: float = COMMAND_SECONDS) -> None:
        """Wait until a server could be started."""
        self.compose("exec", "-T", "api", "cassini", "admin", "wait", seconds=seconds)

    def scale(self, **replicas: int) -> None:
        """Run so many of each of these services, and wait until a server could be started."""
        scale = [
            word for name, count in replicas.items() for word in ("--scale", f"{name}={count}")
        ]
        self.compose("up", "--no-recreate", "--detach", *scale)
        self.wait()

    def client(self, user: str = "admin") -> Client:
        """Return a client with a new token of this user."""
        return Client(self.url, self.cassini("admin", "token", "--user", user).strip())

    def cassini(self, *words: str) -> str:
        """Return what a ``cassini`` command prints in a container of the api."""
        return self.compose("exec", "-T", "api", "cassini", *words)

    def installation_id(self) -> str:
        """Return the id that everything made by this installation is labelled with."""
        if not self._installation:
            self._installation = self._known_id()
        return self._installation

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers."""
        return self.compose("ps", "--quiet", service).split()

    def pods(self, *, every: bool = False) -> list[Found]:
        """Return workloads' containers that run, or all of them."""
        label = f"label={INSTALLATION_LABEL}={self.installation_id()}"
        words = ["docker", "ps", "--no-trunc", "--filter", label, "--format", "{{json .}}"]
        found = []
        for line in run(*words, *(["--all"] if every else [])).splitlines():
            told = json.loads(line)
            labels = labels_of(told["Labels"])
            revision = int(labels["cassini.revision"])
            found.append(Found(told["ID"], labels[WORKLOAD_LABEL], revision))
        return found

    def labels(self, what: str, kind: str) -> list[dict[str, str]]:
        """Return the labels of each network or volume of one kind that the installation has."""
        words = ("docker", what, "ls", "--format", "{{json .Labels}}")
        filters = (f"{INSTALLATION_LABEL}={self.installation_id()}", f"cassini.kind={kind}")
        asked = [word for each in filters for word in ("--filter", f"label={each}")]
        return [labels_of(json.loads(line)) for line in run(*words, *asked).splitlines()]

    def sql(self, statement: str) -> list[list[str]]:
        """Return the rows of a query, as text."""
        words = ("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "cassini", "-AtF", "\t")
        return [line.split("\t") for line in self.compose(*words, "-c", statement).splitlines()]

    def rabbitmqctl(self, *words: str) -> str:
        """Run ``rabbitmqctl``."""
        return self.compose("exec", "-T", "rabbitmq", "rabbitmqctl", "-q", *words)

    def python(self, script: str, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run a Python script beside the services, in their image and network."""
        network = f"0-{self.project}-control"
        where = ("docker", "run", "--rm", "--interactive", "--network", network)
        command = ("--entrypoint", "python", self.image, "-", *words)
        return run(*where, *command, given=script, seconds=seconds)

    def bao(self, script: str) -> None:
        """Run a script as OpenBao's administrator."""
        known = "export BAO_TOKEN=$(cat /unseal/root-token);"
        words = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "openbao-setup", "-c")
        self.compose(*words, f"{known} {script}")

    def unseal(self) -> None:
        """Unseal OpenBao as its one-shot does."""
        self.compose("run", "--rm", "--no-deps", "-T", "openbao-setup")

    def remove(self) -> None:
        """Remove everything of this installation, workloads and homes and images too."""
        with suppress(AssertionError):  # it never came so far as to have an id
            self.installation_id()
        self.compose("stop", "--timeout", "1", "provisioner")  # it would make them anew
        if ids := self._labelled("ps", "--all"):
            run("docker", "rm", "--force", "--volumes", *ids)
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
        for kind in ("network", "volume"):
            if ids := self._labelled(kind, "ls"):
                run("docker", kind, "rm", *ids)
        # By their names: another installation's image may be the very same.
        built = ("--filter", f"label={BUILT_LABEL}={self._installation}")
        names = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", *built).split()
        with suppress(AssertionError):  # somebody uses one of them
            run("docker", "image", "rm", self.image, *names)

    def _labelled(self, *words: str) -> Sequence[str]:
        if not self._installation:
            return ()
        label = f"label={INSTALLATION_LABEL}={self._installation}"
        return run("docker", *words, "--quiet", "--filter", label).split()

    def _known_id(self) -> str:
        volume = f"{self.project}_keys-public"
        words = ("--rm", "--volume", f"{volume}:/public:ro", "--entrypoint", "cat")
        return run("docker", "run", *words, self.image, "/public/installation-id").strip()


def labels_of(text: str) -> dict[str, str]:
    """Return labels from how the engine's client prints them."""
    return dict(each.partition("=")[::2] for each in text.split(","))
