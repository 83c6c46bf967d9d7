"""The Docker engine as the bench sees it: where a container answers, and since when."""

import time
from typing import Any

import docker

from tests.bench.bare import START_SECONDS
from tests.bench.ground import POLL_SECONDS, wait_for
from tests.bench.http import request

LABEL = "cassini.bench"
PORT = 8888
_LIST_STEP = 0.02


def connect() -> docker.APIClient:
    """Return the library's client of the engine that the environment names."""
    return docker.from_env(timeout=120).api


def address(client: docker.APIClient, container: str) -> str:
    """Return where a running container answers, empty if it has no address."""
    networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
    return next((each["IPAddress"] for each in networks.values() if each["IPAddress"]), "")


def await_container(client: docker.APIClient, label: str) -> tuple[str, str]:
    """Wait for a container with this label to run; return its id and address."""

    def find() -> tuple[str, str] | None:
        for record in client.containers(filters={"label": label, "status": "running"}):
            networks: dict[str, Any] = record["NetworkSettings"]["Networks"]
            for network in networks.values():
                if network["IPAddress"]:
                    return record["Id"], network["IPAddress"]
        return None

    found: tuple[str, str]
    found = wait_for(f"a container labelled {label}", find, START_SECONDS, step=_LIST_STEP)
    return found


def answered(host: str, path: str, step: float = POLL_SECONDS) -> float:
    """Ask JupyterLab until it answers with 200; return when that was, in Unix seconds."""
    what = f"http://{host}:{PORT}{path}"
    wait_for(
        what, lambda: request(PORT, "GET", path, host=host)[0] == 200, START_SECONDS, step=step
    )
    return time.time()
