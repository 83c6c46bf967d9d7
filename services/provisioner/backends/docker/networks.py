"""Networks: one a workload, with a small subnet of the installation's own pool.

The engine is the judge of what is free: it refuses a subnet that overlaps another network's, ours
or not, in one atomic step; then the next one is tried. Where to begin follows from the workload's
id, so workloads seldom meet and two replicas that make the network of one workload want the same
subnet. If both succeed nevertheless, both see two networks and keep the same one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import islice
from typing import Any

from cassini.runtime.errors import BackendError
from services.provisioner.backends.docker.engine import Engine, Refused
from services.provisioner.backends.docker.gateway import Gateway
from services.provisioner.backends.docker.names import WORKLOAD, Names
from services.provisioner.settings import DockerSettings

_KIND = "network"
_NOT_FOUND, _FORBIDDEN = 404, 403
_OVERLAPS = ("overlap", "conflicts with")
_MOST_TRIES = 64
_DRIVER_OPTIONS = {"com.docker.network.bridge.enable_icc": "true"}


class Networks:
    """The networks of one installation. All calls raise ``BackendError``."""

    def __init__(
        self, engine: Engine, names: Names, settings: DockerSettings, gateway: Gateway
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._names = names
        self._pool = settings.network_pool
        self._bits = settings.network_bits

    async def make(self, workload_id: str) -> str:
        """Return the id of a workload's network, made if there is none."""
        found = await self._of(workload_id)
        if not found:
            await self._create(workload_id)
            found = await self._of(workload_id)
        if not found:
            raise BackendError("The workload's network was removed while it was made.")
        keep, *others = found
        for other in others:
            await self._remove(other["Id"])
        return str(keep["Id"])

    def name(self, workload_id: str) -> str:
        """Return what a workload's network is called, made or not."""
        return self._names.of_workload(workload_id)

    async def join_gateway(self, network: str) -> None:
        """Have the gateway in a network (its id)."""
        await self._gateway.join([network])

    async def remove(self, workload_id: str) -> None:
        """Remove a workload's network; one that is in use stays."""
        for network in await self._of(workload_id):
            await self._remove(network["Id"])

    async def ids(self) -> list[str]:
        """Return the ids of all networks."""
        return [network["Id"] for network in await self._of(None)]

    async def workloads(self) -> set[str]:
        """Return the workloads that have networks."""
        return {network["Labels"][WORKLOAD] for network in await self._of(None)}

    async def _of(self, workload_id: str | None) -> list[dict[str, Any]]:
        selector = self._names.selector(_KIND, workload_id)
        found: list[dict[str, Any]] = await self._engine.call(
            lambda client: client.networks(filters={"label": selector})
        )
        return sorted(found, key=lambda network: (network["Created"], network["Id"]))

    async def _create(self, workload_id: str) -> None:
        name = self.name(workload_id)
        labels = self._names.labels(_KIND, workload_id)
        for subnet in await self._candidates(workload_id):
            ipam = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
            try:
                await self._engine.call(
                    lambda client, ipam=ipam: client.create_network(  # type: ignore[misc]
                        name,
                        driver="bridge",
                        options=_DRIVER_OPTIONS,
                        ipam=ipam,
                        labels=labels,
                        check_duplicate=False,
                    )
                )
            except Refused as error:
                if not any(word in error.message.lower() for word in _OVERLAPS):
                    raise
                if await self._of(workload_id):
                    return  # another replica was faster
            else:
                return
        raise BackendError(
            f"No free network was found in {self._pool}: give CASSINI_DOCKER_NETWORK_POOL a "
            "range that nothing else uses."
        )

    async def _candidates(self, workload_id: str) -> list[IPv4Network]:
        """Return subnets that seem free, in an order that is this workload's own."""
        networks: list[dict[str, Any]] = await self._engine.call(lambda client: client.networks())
        taken = [subnet for network in networks for subnet in _subnets(network)]
        free = (
            subnet
            for subnet in self._subnets(workload_id)
            if not any(subnet.overlaps(other) for other in taken)
        )
        return list(islice(free, _MOST_TRIES))

    def _subnets(self, workload_id: str) -> Iterator[IPv4Network]:
        count = 1 << (self._bits - self._pool.prefixlen)
        digest = hashlib.sha256(workload_id.encode()).digest()
        start = int.from_bytes(digest[:8])
        stride = int.from_bytes(digest[8:16]) | 1  # odd: it comes by each of a power of two
        size = 1 << (32 - self._bits)
        for number in range(count):
            address = self._pool.network_address + (start + number * stride) % count * size
            yield IPv4Network((address, self._bits))

    async def _remove(self, network_id: str) -> None:
        try:
            await self._gateway.leave(network_id)
            await self._engine.call(lambda client: client.remove_network(network_id))
        except Refused as error:
            if error.status not in {_NOT_FOUND, _FORBIDDEN}:
                raise


def _subnets(network: Mapping[str, Any]) -> Iterator[IPv4Network]:
    for config in (network.get("IPAM") or {}).get("Config") or ():
        subnet = config.get("Subnet", "")
        if "." in subnet:  # version 4
            yield IPv4Network(subnet, strict=False)
