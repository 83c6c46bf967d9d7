"""Starting a pod: whatever of it is not done yet, from the image to the values.

What does not need each other is made at the same time: the network while the container is filled,
the gateway's place in it while the container is started. Whoever made the container also says the
values on its standard input, so that they wait for the pod and not the pod for them. That is only
the quicker way: the command that brings them (``inside/deliver``) is run after every start, changes
nothing where they came already, and is the only way to a container that somebody else made.
"""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cassini.runtime.errors import BackendError
from services.provisioner.backends.docker import containers, inside
from services.provisioner.backends.docker.engine import Client, Engine, Refused, url
from services.provisioner.backends.docker.homes import Homes
from services.provisioner.backends.docker.images import Images
from services.provisioner.backends.docker.names import Names
from services.provisioner.backends.docker.networks import Networks
from services.provisioner.backends.docker.pods import NOT_FOUND, Pods
from services.provisioner.backends.docker.streams import Input
from services.provisioner.backends.docker.values import exports, framed
from services.provisioner.backends.docker.watch import Watch
from services.provisioner.plan import PodPlan
from services.provisioner.settings import DockerSettings

_CONFLICT = 409
_PERMISSIONS = 0o777
_LOOKS, _LOOK_SECONDS = 50, 0.1
_CREATED, _ALIVE = "created", frozenset({"running", "paused"})

A = TypeVar("A")
B = TypeVar("B")


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
        values, fresh = exports(secrets), False
        container = await self._pods.find(plan.name)
        if container is None:
            container, fresh = await self.make(plan)
        if fresh:
            said = await self._engine.call(lambda client: Input(client, container))
            try:
                await self._start(container, plan, said, values)
                await self._deliver(container, plan, values)
            finally:
                said.close()
        elif state := await self._waiting(container):
            if state == _CREATED:
                await self._start(container, plan)
            await self._deliver(container, plan, values)

    async def make(self, plan: PodPlan) -> tuple[str, bool]:
        """Make the container that is the intent; return its id, and whether nobody else made it."""
        workload_id = plan.name.workload_id
        user, home, cores = await asyncio.gather(
            self._images.need(plan.image), self._homes.make(workload_id), self._engine.cores()
        )
        around = containers.Surroundings(
            home, self._networks.name(workload_id), containers.user_of(user), cores
        )

        def work(client: Client) -> str:
            made = client.create_container(
                plan.image,
                [],
                name=self._names.container(plan.name),
                entrypoint=list(inside.ENTRY),
                user=around.user,
                working_dir=inside.HOME,
                stdin_open=True,
                environment=containers.environment(plan),
                labels=containers.labels(plan, self._names),
                host_config=client.create_host_config(
                    **containers.host_config(plan, around, self._settings)
                ),
                healthcheck={"Test": ["NONE"]},
            )
            return str(made["Id"])

        try:
            return await self._engine.call(work), True
        except Refused as error:
            found = await self._made_by_another(plan) if error.status == _CONFLICT else None
            if found is None:
                raise
            return found, False

    async def _made_by_another(self, plan: PodPlan) -> str | None:
        """Return the container that has the name: it is taken a moment before it can be found."""
        for _ in range(_LOOKS):
            if found := await self._pods.find(plan.name):
                return found
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def _waiting(self, container: str) -> str | None:
        """Return the state of a container that never had its values, None if it needs none."""
        written = await self._pods.written(container)
        if written.begun or written.stopped_at is not None:
            return None
        state = await self._state(container)
        return state if state == _CREATED or state in _ALIVE else None

    async def _start(
        self, container: str, plan: PodPlan, said: Input | None = None, values: bytes = b""
    ) -> None:
        """Start a container that was made; says the values once the gateway is in its network."""
        network, _ = await _both(
            self._networks.make(plan.name.workload_id),
            self._engine.call(lambda client: _fill(client, container, plan.script)),
        )

        async def start() -> None:
            try:
                await self._engine.call(lambda client: client.start(container))
            except BackendError as error:
                if said is not None:
                    said.close()  # nobody will read what is on its way
                if not isinstance(error, Refused):
                    raise
                await self._not_started(container, error)

        async def join() -> None:
            await self._networks.join_gateway(network)
            if said is not None:
                await self._engine.call(lambda _client: said.say(framed(values)))

        await _both(start(), join())

    async def _deliver(self, container: str, plan: PodPlan, values: bytes) -> None:
        """Bring the values to a pod that runs, if they did not come already, and follow it."""
        self._pods.changed(container)
        try:
            await self._watch.deliver(container, containers.labels(plan, self._names), values)
        except BackendError:
            # It may have ended since, and its record tells how; or have its values already.
            if await self._state(container) in _ALIVE and not await self._begun(container):
                raise

    async def _begun(self, container: str) -> bool:
        try:
            return (await self._pods.written(container)).begun
        except Refused as error:
            return error.status == NOT_FOUND  # gone, so nothing is left to bring

    async def _state(self, container: str) -> str | None:
        """Return the engine's word for how a container is, None if it is gone."""
        try:
            record: Mapping[str, Any] = await self._engine.call(
                lambda client: client.inspect_container(container)
            )
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return str(record["State"]["Status"])

    async def _not_started(self, container: str, error: Refused) -> None:
        """Judge a failed start: one that will fail again is what the pod's record tells."""
        record = await self._engine.call(lambda client: client.inspect_container(container))
        if record["State"]["ExitCode"] in {126, 127}:
            return
        if "network" in error.message.lower():
            # Its network was removed with the pod before it: the next try makes both anew.
            await self._engine.call(lambda client: client.remove_container(container, v=True))
        raise error


async def _both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Wait for two things, also where one fails; raises what went wrong, of the first first."""
    done = await asyncio.gather(first, second, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return done  # type: ignore[return-value]


def _fill(client: Client, container: str, script: str) -> None:
    """Put our files into a container, and give the home to its user, whose mode it keeps."""
    if client.inspect_container(container)["State"]["Status"] != _CREATED:
        return  # another replica was faster, and what waits there must not be replaced
    where = url(client, f"/containers/{container}/archive")
    answer = client.head(where, params={"path": inside.HOME})
    status = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
    content = inside.archive(script, status["mode"] & _PERMISSIONS, time.time())
    client.put_archive(container, "/", content)
