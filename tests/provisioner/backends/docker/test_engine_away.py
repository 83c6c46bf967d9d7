"""The engine goes away and comes back: errors that say so, running pods, and hints at last."""

import asyncio

import pytest

from cassini.runtime.errors import BackendError
from cassini.testing.waiting import until
from tests.provisioner.backends.conformance.platform import Platform, new_directory
from tests.provisioner.backends.conformance.rig import SERVE, ready

# The library leaves sockets open that could not connect; the collector closes them.
pytestmark = [
    pytest.mark.docker,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


async def test_while_the_engine_is_away_every_call_says_so(rig, door):
    backend = await rig.backend(settings=rig.settings(host=door.address))
    plan = rig.plan(SERVE)
    await door.shut()
    for call in (
        backend.describe(),
        backend.list_pods(),
        backend.create(plan, {}),
        backend.terminate(plan.name),
        backend.remove(plan.name),
        backend.read_logs(plan.name, first=0, lines=1),
        backend.measure(),
        backend.recover_home(rig.workload),
        backend.discard_home(rig.workload),
    ):
        with pytest.raises(BackendError, match="cannot be reached"):
            await call


async def test_a_backend_that_opens_before_its_engine_finds_it_later(rig, door):
    await door.shut()
    backend = await rig.backend(settings=rig.settings(host=door.address))
    with pytest.raises(BackendError):
        await backend.describe()
    await door.open()
    assert (await backend.describe()).kind == "docker"


async def test_what_happened_meanwhile_is_hinted_at(rig, door):
    backend = await rig.backend(settings=rig.settings(host=door.address))
    plan = rig.plan(SERVE)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, ready)
    await door.shut()
    await rig.kill_keeper(plan.name)
    changes = backend.changes()
    await door.open()
    async with asyncio.timeout(30):
        assert await anext(changes) == rig.workload
    [pod] = await backend.list_pods()
    assert not pod.ready


async def test_wishes_that_come_while_the_engine_is_away_are_done_when_it_is_back(
    rig, door, tmp_path
):
    platform = Platform(rig, new_directory(tmp_path))
    await platform.start(settings=rig.settings(host=door.address))
    try:
        await platform.declare(platform.wish(1))
        await platform.comes_to("running", 1)
        await door.shut()
        await platform.declare(platform.wish(2, revision=2))

        def says_so():
            fact = platform.fact()
            return fact.generation == 2 and fact.reason == "BackendUnreachable"

        await until(says_so, seconds=30)
        await door.open()
        await platform.comes_to("running", 2)
        assert await platform.names() == ["2-0-1"]
    finally:
        await platform.stop()
