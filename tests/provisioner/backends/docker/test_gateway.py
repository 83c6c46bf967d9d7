"""The gateway's containers are in every workload's network, also when they are made anew."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest

from services.provisioner.backends.docker.gateway import LABEL
from tests.provisioner.backends.conformance.docker_rig import BARE_IMAGE, engine
from tests.provisioner.backends.conformance.rig import SERVE, ready

pytestmark = pytest.mark.docker

ASK = """
import sys, time, urllib.request
for _ in range(100):
    try:
        urllib.request.urlopen("http://cassini:8765/", timeout=2)
        print("reached")
        break
    except OSError:
        time.sleep(0.2)
else:
    print("not reached")
"""


@asynccontextmanager
async def gateway(name):
    """A container that the platform's operator starts, with its port open to all."""
    command = ["python3", "-m", "http.server", "8765"]
    client = engine()
    made = await asyncio.to_thread(
        lambda: client.create_container(BARE_IMAGE, command, labels={LABEL: name})
    )
    await asyncio.to_thread(client.start, made["Id"])
    try:
        yield made["Id"]
    finally:
        await asyncio.to_thread(lambda: client.remove_container(made["Id"], force=True))


async def asked(rig, backend, rank):
    plan = rig.plan('python -I -S -c "$ASK"', rank=rank, environment={"ASK": ASK})
    await rig.run(backend, plan)
    return await rig.log(backend, plan.name)


async def test_pods_reach_the_gateway_by_name_also_one_that_is_made_anew(rig):
    name = f"test-{uuid.uuid4().hex[:8]}"
    backend = await rig.backend(settings=rig.settings(gateway=name))
    server = rig.plan(SERVE)
    async with gateway(name):
        await backend.create(server, {})
        await rig.pod(backend, server.name, ready)
        assert await asked(rig, backend, rank=1) == "reached\n"
    async with gateway(name):
        assert await asked(rig, backend, rank=2) == "reached\n"


async def test_a_network_goes_with_its_last_pod_though_the_gateway_is_in_it(rig):
    name = f"test-{uuid.uuid4().hex[:8]}"
    backend = await rig.backend(settings=rig.settings(gateway=name))
    plan = rig.plan("exit 0")
    async with gateway(name) as container:
        await rig.run(backend, plan)
        assert len(rig.ours("networks")) == 1
        await backend.remove(plan.name)
        assert rig.ours("networks") == []
        shown = await asyncio.to_thread(engine().inspect_container, container)
        assert shown["State"]["Running"]


async def test_a_network_in_which_a_pod_is_left_keeps_the_gateway(rig):
    name = f"test-{uuid.uuid4().hex[:8]}"
    backend = await rig.backend(settings=rig.settings(gateway=name))
    server = rig.plan(SERVE)
    async with gateway(name):
        await backend.create(server, {})
        await rig.pod(backend, server.name, ready)
        await backend._networks.remove(rig.workload)
        assert await asked(rig, backend, rank=1) == "reached\n"
