"""JupyterHub with DockerSpawner: its single-user servers in containers of the same image.

What JupyterHub needs in the image is installed on top of it, without changing a version.
"""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import docker

from tests.bench.bare import START_SECONDS, Start
from tests.bench.containers.engine import LABEL, PORT, answered, await_container
from tests.bench.environments import HUB, install_docker_hub
from tests.bench.ground import BenchError, Ground, wait_for
from tests.bench.http import expect, request
from tests.bench.hub import Hub

_DOCKERFILE = """\
FROM {image}
USER root
RUN "$CASSINI_IMAGE/bin/python" -m pip freeze --all >/tmp/constraints.txt \\
 && "$CASSINI_IMAGE/bin/python" -m pip install --quiet --no-cache-dir \\
    --constraint /tmp/constraints.txt '{hub}'
USER jovyan
"""
_SPAWNER = """\
c.JupyterHub.spawner_class = "docker"
c.JupyterHub.hub_ip = "{{bridge}}"
c.JupyterHub.concurrent_spawn_limit = 0
c.DockerSpawner.image = "{tag}"
c.DockerSpawner.prefix = "{run}"
c.DockerSpawner.remove = True
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.network_name = "bridge"
c.DockerSpawner.cmd = ["jupyterhub-singleuser"]
c.DockerSpawner.port = {port}
c.DockerSpawner.extra_create_kwargs = {{{{"labels": {{{{"{label}": "{run}-hub"}}}}}}}}
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
"""
_USER = "bench"


def build(client: docker.APIClient, image: str, tag: str) -> None:
    """Put what JupyterHub needs on top of an image."""
    file = io.BytesIO(_DOCKERFILE.format(image=image, hub=HUB).encode())
    for said in client.build(fileobj=file, tag=tag, rm=True, decode=True, network_mode="host"):
        if "error" in said:
            raise BenchError(f"JupyterHub's image: {said['error']}")


class DockerHub(Hub):
    """A hub that runs on this machine, beside the engine."""

    name = "JupyterHub, DockerSpawner"

    def __init__(self, client: docker.APIClient, ground: Ground, image: str, run: str) -> None:
        tag = f"{run}-hub:local"
        build(client, image, tag)
        network = client.inspect_network("bridge")["IPAM"]["Config"][0]
        bridge = network.get("Gateway") or str(network["Subnet"]).rsplit(".", 1)[0] + ".1"
        spawner = _SPAWNER.format(tag=tag, run=run, label=LABEL, port=PORT)
        super().__init__(ground, install_docker_hub(), spawner.replace("{bridge}", bridge))
        self._engine = client
        self._label = f"{LABEL}={run}-hub"

    def measure(self) -> Start:
        """Start the user's server; note when it answers, and when its proxy passes it on."""
        path = f"/hub/api/users/{_USER}/server"
        ask = threading.Thread(target=partial(request, self.public, "POST", path, self.token))
        began = time.time()
        ask.start()
        _, host = await_container(self._engine, self._label)
        ready = answered(host, f"/user/{_USER}/api") - began
        ask.join()
        wait_for("the hub's server", partial(self._passes_on, _USER), START_SECONDS, step=0.02)
        shown = time.time() - began
        self._stop(path)
        return Start(ready=ready, shown=shown)

    def together(self, count: int) -> float:
        """Return the seconds until so many users' servers, started at once, are all reached."""
        users = [f"many-{number}" for number in range(count)]
        for each in users:
            expect(self.public, "POST", f"/hub/api/users/{each}", self.token)
        with ThreadPoolExecutor(count) as pool:
            began = time.time()
            asked = pool.map(partial(self._ask, "POST"), users)
            for each in users:
                passes = partial(self._passes_on, each)
                wait_for(f"the server of {each}", passes, START_SECONDS * 3, step=0.1)
            took = time.time() - began
            list(asked)
            list(pool.map(lambda user: self._stop(f"/hub/api/users/{user}/server"), users))
        return took

    def _ask(self, method: str, user: str) -> tuple[int, Any]:
        return request(self.public, method, f"/hub/api/users/{user}/server", self.token)

    def _passes_on(self, user: str) -> bool:
        return request(self.public, "GET", f"/user/{user}/api", self.token)[0] == 200
