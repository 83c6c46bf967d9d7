"""The compose stack with workspaces in containers, used through its API."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import docker
import httpx

from tests.bench.bare import Start
from tests.bench.containers.engine import answered, await_container
from tests.bench.ground import BenchError, wait_for
from tests.bench.memory import Memory, measure
from tests.stack.stack import SERVICES, WORKLOAD_LABEL, Stack

_FIRST_SECONDS, _SECONDS = 1800.0, 300.0
_RUNNING, _STOPPED = "running", "stopped"


class ComposedCassini:
    """A stack that runs."""

    name = "Cassini"

    def __init__(self, client: docker.APIClient, stack: Stack) -> None:
        """Make the workspace that is started again and again; its first start builds the image."""
        self._engine = client
        self._stack = stack
        self._client = stack.client()
        self._workspace = self._client.create(f"bench-{time.time_ns()}")
        self._client.do("start", self._workspace)
        self._wait(self._workspace, _RUNNING, seconds=_FIRST_SECONDS)
        container, _ = await_container(client, f"{WORKLOAD_LABEL}={self._workspace}")
        self.image = str(client.inspect_container(container)["Image"])
        self.size = str(self._client.show(self._workspace).get("instance_size"))
        self._stop(self._workspace)

    def measure(self) -> Start:
        """Start the workspace, note when JupyterLab answers and when the API says so; stop it."""
        began = time.time()
        self._client.do("start", self._workspace)
        _, host = await_container(self._engine, f"{WORKLOAD_LABEL}={self._workspace}")
        ready = answered(host, "/api") - began
        self._wait(self._workspace, _RUNNING, step=0.02)
        shown = time.time() - began
        self._stop(self._workspace)
        return Start(ready=ready, shown=shown)

    def together(self, count: int) -> float:
        """Return the seconds until so many that are started at once are all shown as running."""
        names = [f"many-{time.time_ns()}-{number}" for number in range(count)]
        with ThreadPoolExecutor(count) as pool:
            ids = list(pool.map(self._client.create, names))
            began = time.time()
            list(pool.map(partial(self._client.do, "start"), ids))
            for each in ids:
                self._wait(each, _RUNNING, step=0.1)
            took = time.time() - began
            list(pool.map(self._stop, ids))
            list(pool.map(self._client.delete, ids))
        return took

    def memory(self) -> dict[str, Memory]:
        """Return what each service uses, its helpers included."""
        found = {}
        for service in SERVICES:
            [container] = self._stack.containers(service)
            found[service] = measure(self._engine.inspect_container(container)["State"]["Pid"])
        return found

    def _stop(self, workspace: str) -> None:
        self._client.do("stop", workspace)
        self._wait(workspace, _STOPPED)

    def _wait(
        self, workspace: str, status: str, *, step: float = 0.1, seconds: float = _SECONDS
    ) -> None:
        seen: dict[str, Any] = {}

        def reached() -> bool:
            with suppress(httpx.HTTPError):  # a busy machine: asked again
                seen.update(self._client.show(workspace))
            if seen.get("status") == "error":
                raise BenchError(f"{workspace}: {seen.get('reason')} {seen.get('message')}")
            return bool(seen.get("status") == status)

        wait_for(f"{workspace} to be {status}", reached, seconds, step=step)
