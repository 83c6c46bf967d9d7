"""A container of the image with JupyterLab in it, made and started as ``docker run`` does."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import docker

from tests.bench.bare import FLAGS, Start
from tests.bench.containers.engine import LABEL, PORT, address, answered

_STEP_OF_MANY = 0.1


class BareContainer:
    """Nothing but the engine."""

    name = "bare container"

    def __init__(self, client: docker.APIClient, image: str, run: str) -> None:
        self._client = client
        self._image = image
        self._labels = {LABEL: run}

    def measure(self) -> Start:
        """Make it, start it, note when it answers, remove it."""
        began = time.time()
        container = self._run()
        ready = answered(address(self._client, container), "/api") - began
        self._client.remove_container(container, force=True, v=True)
        return Start(ready=ready, shown=ready)

    def together(self, count: int) -> float:
        """Return the seconds until so many that are started at once all answer."""
        with ThreadPoolExecutor(count) as pool:
            began = time.time()
            containers = list(pool.map(lambda _: self._run(), range(count)))
            hosts = [address(self._client, each) for each in containers]
            last = max(pool.map(lambda host: answered(host, "/api", _STEP_OF_MANY), hosts))
            list(pool.map(self._remove, containers))
        return last - began

    def _run(self) -> str:
        made = self._client.create_container(
            self._image,
            ["jupyter", "lab", *FLAGS, "--ServerApp.ip=0.0.0.0", f"--ServerApp.port={PORT}"],
            environment={"JUPYTER_TOKEN": secrets.token_hex(16)},
            labels=self._labels,
            host_config=self._client.create_host_config(init=True),
        )
        self._client.start(made["Id"])
        return str(made["Id"])

    def _remove(self, container: str) -> None:
        self._client.remove_container(container, force=True, v=True)
