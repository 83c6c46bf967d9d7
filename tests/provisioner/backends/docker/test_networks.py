"""Every workload has a small network of its own, and others cannot reach into it."""

import asyncio
from ipaddress import IPv4Network

import pytest

from cassini.runtime.errors import BackendError
from tests.provisioner.backends.conformance.docker_rig import engine
from tests.provisioner.backends.conformance.rig import SERVE, ready

pytestmark = pytest.mark.docker

REACH = r"""
import os, socket
address = (os.environ["OTHER"], 8888)
try:
    socket.create_connection(address, 3).close()
    print("reached")
except OSError as error:
    print("not reached")
"""


async def test_tenants_do_not_reach_each_other_and_replicas_do(rig):
    backend = await rig.backend()
    target = rig.plan(SERVE)
    await backend.create(target, {})
    pod = await rig.pod(backend, target.name, ready)
    reach = 'python -I -S -c "$REACH"'
    environment = {"REACH": REACH, "OTHER": pod.endpoints[0].host}
    replica = rig.plan(reach, rank=1, environment=environment)
    await rig.run(backend, replica)
    assert await rig.log(backend, replica.name) == "reached\n"
    rig.workload = "f" + rig.workload[1:]
    stranger = rig.plan(reach, environment=environment)
    await rig.run(backend, stranger)
    assert await rig.log(backend, stranger.name) == "not reached\n"


async def test_networks_are_small_and_of_the_pool_and_go_with_the_last_pod(rig):
    backend = await rig.backend(settings=rig.settings(network_pool="10.219.0.0/24"))
    plans = [rig.plan("exit 0", rank=rank) for rank in range(2)]
    for plan in plans:
        await rig.run(backend, plan)
    [network] = rig.ours("networks")
    subnet = IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
    assert subnet.prefixlen == 28
    assert subnet.subnet_of(IPv4Network("10.219.0.0/24"))
    await backend.remove(plans[0].name)
    assert rig.ours("networks")
    await backend.remove(plans[1].name)
    assert rig.ours("networks") == []


async def test_two_replicas_make_one_network(rig):
    first, second = await rig.backend(), await rig.backend()
    found = await asyncio.gather(
        *(each._networks.make(rig.workload) for each in (first, second, first, second))
    )
    [network] = rig.ours("networks")
    assert network["Id"] in found


async def test_a_pool_that_others_use_up_is_told(rig):
    settings = rig.settings(network_pool="10.219.8.0/28")
    backend = await rig.backend(settings=settings)
    await backend._networks.make(rig.workload)
    with pytest.raises(BackendError, match="CASSINI_DOCKER_NETWORK_POOL"):
        await backend._networks.make("e" * 32)
    await asyncio.to_thread(engine().networks)
