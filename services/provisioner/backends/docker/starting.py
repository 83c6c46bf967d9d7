"""Starting a pod: whatever of it is not done yet, from the image to the values."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cassini.runtime.errors import BackendError
from services.provisioner.backends.docker import containers, inside
from services.provisioner.backends.docker.engine import Client, Engine, Refused, url
from services.provisioner.backends.docker.facts import NOTHING
from services.provisioner.backends.docker.homes import Homes
from services.provisioner.backends.docker.images import Images
from services.provisioner.backends.docker.names import Names
from services.provisioner.backends.docker.networks import Networks
from services.provisioner.backends.docker.pods import NOT_FOUND, Pods
from services.provisioner.backends.docker.values import exports
from services.provisioner.backends.docker.watch import Watch
from services.provisioner.plan import PodPlan
from services.provisioner.settings import DockerSettings

_CONFLICT = 409
_PERMISSIONS = 0o777


@dataclass(frozen=True)
class Starter:
    """Makes and starts the pods of one installation."""

    _engine: Engine
    _names: Names
    _settings: DockerSettings
    _pods: Pods
    _homes: Homes
    _networks: Networks
    _images: Images
    _watch: Watch

    async def create(self, plan: PodPlan, secrets: Mapping[str, str]) -> None:
        """Do for a pod what is not done yet.

        Raises:
            Retry: its image is being pulled.
            GiveUp: there is no such image.
            BackendError: the engine cannot be reached.
        """
        found = await self._pods.find(plan.name)
        record = await self._start(found or await self.make(plan), plan, fresh=found is None)
        if record is None:
            return
        container = record["Id"]
        try:
            await self._watch.deliver(container, record["Config"]["Labels"], exports(secrets))
        except BackendError:
            if await self._runs(container):
                raise  # else its record tells how it ended
        self._pods.changed(container)

    async def make(self, plan: PodPlan) -> str:
        """Make the container that is the intent; return its id."""
        workload_id = plan.name.workload_id
        user = containers.user_of(await self._images.need(plan.image))
        home, network, info = await asyncio.gather(
            self._homes.make(workload_id),
            self._networks.make(workload_id),
            self._engine.call(lambda client: client.info()),
        )
        around = containers.Surroundings(home, network, user, float(info["NCPU"]))

        def work(client: Client) -> str:
            made = client.create_container(
                plan.image,
                [],
                name=self._names.container(plan.name),
                entrypoint=list(inside.ENTRY),
                user=user,
                working_dir=inside.HOME,
                environment=containers.environment(plan),
                labels=containers.labels(plan, self._names),
                host_config=client.create_host_config(
                    **containers.host_config(plan, around, self._settings)
                ),
                healthcheck={"Test": ["NONE"]},
            )
            return str(made["Id"])

        try:
            return await self._engine.call(work)
        except Refused as error:
            found = await self._pods.find(plan.name) if error.status == _CONFLICT else None
            if found is None:
                raise
            return found

    async def _start(
        self, container: str, plan: PodPlan, *, fresh: bool
    ) -> Mapping[str, Any] | None:
        """Start a container that never ran; return its record if it waits for values.

        ``fresh``: it has just been made, so nothing is written in it.
        """
        record: Mapping[str, Any] = await self._engine.call(
            lambda client: client.inspect_container(container)
        )
        state = record["State"]["Status"]
        written = NOTHING if fresh else await self._pods.written(container)
        if written.begun or written.stopped_at is not None:
            return None
        if state == "created":
            await self._engine.call(lambda client: _fill(client, container, plan.script))
            try:
                await self._engine.call(lambda client: client.start(container))
            except Refused as error:
                await self._not_started(container, error)
                return None
        elif state not in {"running", "paused"}:
            return None
        return record

    async def _runs(self, container: str) -> bool:
        try:
            record: Mapping[str, Any] = await self._engine.call(
                lambda client: client.inspect_container(container)
            )
        except Refused as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return bool(record["State"]["Running"])

    async def _not_started(self, container: str, error: Refused) -> None:
        """Judge a failed start: one that will fail again is what the pod's record tells."""
        record = await self._engine.call(lambda client: client.inspect_container(container))
        if record["State"]["ExitCode"] in {126, 127}:
            return
        if "network" in error.message.lower():
            # Its network was removed with the pod before it: the next try makes both anew.
            await self._engine.call(lambda client: client.remove_container(container, v=True))
        raise error


def _fill(client: Client, container: str, script: str) -> None:
    """Put our files into a container, and give the home to its user, whose mode it keeps."""
    where = url(client, f"/containers/{container}/archive")
    answer = client.head(where, params={"path": inside.HOME})
    status = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    content = inside.archive(script, status["mode"] & _PERMISSIONS, time.time())
    client.put_archive(container, "/", content)
