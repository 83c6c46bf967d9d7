"""The gateway: the containers through which pods and the platform meet.

They are not ours: whoever runs the platform starts them with the label ``cassini.gateway=<name>``
(``CASSINI_DOCKER_GATEWAY`` says the name). They are joined to the network of every workload, where
pods reach them as ``cassini``; workloads stay apart, for each has a network of its own. One that is
started anew has lost its networks: the engine's event tells it, and a look once a minute.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

import structlog

from cassini.runtime.errors import BackendError
from services.provisioner.backends.docker.engine import Client, Engine, Refused
from services.provisioner.backends.docker.streams import open_events

LABEL, ALIAS = "cassini.gateway", "cassini"
_LOOK_SECONDS, _PATIENCE_SECONDS, _BACK_OFF_SECONDS = 60, 75, 2.0
_NOT_FOUND, _FORBIDDEN, _CONFLICT = 404, 403, 409

_log = structlog.get_logger(__name__)


class Gateway:
    """The gateway's containers, by their label; without a name there are none."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    async def join(self, networks: Collection[str]) -> None:
        """Have every container of the gateway in these networks (ids)."""
        for container, attached in (await self._containers()).items():
            for network in set(networks) - attached:
                await self._change(partial(_connect, container=container, network=network))

    async def leave(self, network: str) -> bool:
        """Take the gateway out of a network in which nobody else is; tells whether it was there."""
        gateway = await self._containers()
        seen = await self._engine.call(lambda client: client.inspect_network(network))
        inside = set(seen.get("Containers") or ())
        if not inside or inside - gateway.keys():
            return False
        for container in inside:
            await self._change(partial(_disconnect, container=container, network=network))
        return True

    async def keep_joined(
        self, networks: Callable[[], Coroutine[Any, Any, Collection[str]]]
    ) -> None:
        """Join all networks now, when one of its containers starts, and every minute; for ever."""
        while self._name:
            try:
                await self.join(await networks())
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._next_start()
            except (BackendError, TimeoutError) as error:
                _log.warning("the gateway cannot be looked after", reason=str(error))
                await asyncio.sleep(_BACK_OFF_SECONDS)

    async def _next_start(self) -> None:
        """Return when one of the gateway's containers starts, or after a minute."""
        now = int(time.time())
        filters = {"type": "container", "event": ["start"], "label": [f"{LABEL}={self._name}"]}
        events = self._engine.stream(
            lambda client: open_events(
                client, since=now - 1, until=now + _LOOK_SECONDS, filters=filters
            )
        )
        async with aclosing(events) as heard:
            async for _event in heard:
                return

    async def _containers(self) -> dict[str, set[str]]:
        """Return the gateway's containers, and the networks that each is in."""
        if not self._name:
            return {}
        found: list[dict[str, Any]] = await self._engine.call(
            lambda client: client.containers(filters={"label": f"{LABEL}={self._name}"})
        )
        return {
            each["Id"]: {net["NetworkID"] for net in each["NetworkSettings"]["Networks"].values()}
            for each in found
        }

    async def _change(self, work: Callable[[Client], object]) -> None:
        """Connect or disconnect; success where it is so already or one of the two is gone."""
        try:
            await self._engine.call(work)
        except Refused as error:
            if error.status not in {_NOT_FOUND, _FORBIDDEN, _CONFLICT}:
                raise


def _connect(client: Client, *, container: str, network: str) -> None:
    client.connect_container_to_network(container, network, aliases=[ALIAS])


def _disconnect(client: Client, *, container: str, network: str) -> None:
    client.disconnect_container_from_network(container, network, force=True)
