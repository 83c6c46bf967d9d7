"""``jupyter lab`` started by hand from the same environment, with the flags that Cassini uses."""

import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ground import Ground, free_ports, plain_environment
from tests.bench.http import first_ok

START_SECONDS = 120.0
# As in services/provisioner/kinds/workspace.py.
FLAGS = (
    "--no-browser",
    "--allow-root",
    "--LabApp.extension_manager=readonly",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)


@dataclass(frozen=True)
class Start:
    """One start; seconds since it was asked for."""

    ready: float
    """The first 200 of an authenticated ``GET /api/status`` on JupyterLab's own port."""
    shown: float
    """When a person's client could know: here the same."""


class Bare:
    """JupyterLab without anything around it."""

    name = "bare jupyter lab"

    def __init__(self, ground: Ground, image: Path) -> None:
        self._ground = ground
        self._image = image
        self._home = ground.folder("bare-home", 0o700)
        self._runtime = ground.folder("bare-runtime", 0o700)

    def measure(self) -> Start:
        """Start it, note when it answers, end it."""
        port, token = free_ports(1)[0], secrets.token_hex(16)
        environment = plain_environment(
            HOME=str(self._home),
            JUPYTER_TOKEN=token,
            JUPYTER_RUNTIME_DIR=str(self._runtime),
            PATH=f"{self._image / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        )
        arguments = (
            *(self._image / "bin" / "python", "-m", "jupyterlab", *FLAGS),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={self._home}"),
        )
        child = self._ground.spawn("bare", arguments, environment, self._home)
        try:
            ready = first_ok(port, "/api/status", token, seconds=START_SECONDS, process=child)
        finally:
            child.stop(signal.SIGTERM)
        return Start(ready=ready - child.began, shown=ready - child.began)
