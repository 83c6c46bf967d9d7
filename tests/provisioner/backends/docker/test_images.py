"""Images that keep the contract, images that do not, and images that must be pulled first."""

import asyncio

import pytest

from cassini.runtime.errors import BackendError, GiveUp, Retry
from cassini.testing.waiting import until
from services.provisioner.backends.base import EndReason
from tests.provisioner.backends.conformance.docker_rig import BARE_IMAGE, IMAGE, engine
from tests.provisioner.backends.conformance.rig import SERVE, ready

pytestmark = pytest.mark.docker


@pytest.fixture
async def registry(rig):
    """The address of a registry of this test's own."""
    made = engine().create_container(
        "registry:2",
        labels={"cassini.installation": rig.installation},
        ports=[5000],
        host_config=engine().create_host_config(port_bindings={5000: ("127.0.0.1", None)}),
    )
    await asyncio.to_thread(engine().start, made["Id"])
    [binding] = engine().port(made["Id"], 5000)
    return f"127.0.0.1:{binding['HostPort']}"


async def test_an_image_without_jovyan_runs_as_1000_with_a_home_of_his(rig):
    backend = await rig.backend()
    plan = rig.plan('id -u; touch "$HOME/mine" && echo made; ' + SERVE, image=BARE_IMAGE)
    await backend.create(plan, {})
    await rig.pod(backend, plan.name, ready)
    assert await rig.log(backend, plan.name) == "1000\nmade\n"


async def test_an_image_is_pulled_with_its_progress_told(rig, registry):
    reference = f"{registry}/pods/pulled:1"
    await asyncio.to_thread(engine().tag, IMAGE, f"{registry}/pods/pulled", "1")
    await until(lambda: asyncio.to_thread(_pushed, reference), seconds=30, every=0.2)
    await asyncio.to_thread(engine().remove_image, reference)
    backend = await rig.backend()
    plan = rig.plan("echo pulled", image=reference)
    with pytest.raises(Retry, match="is being pulled") as told:
        await backend.create(plan, {})
    assert told.value.reason == "PullingImage"
    assert await backend.list_pods() == []
    await until(lambda: _made(backend, plan), seconds=40, every=0.2)
    await rig.pod(backend, plan.name, lambda pod: pod.reason is EndReason.EXITED)
    await backend.remove(plan.name)
    await asyncio.to_thread(engine().remove_image, reference)


def _pushed(reference: str) -> bool:
    said = list(engine().push(reference, stream=True, decode=True))
    return not any("error" in line for line in said)


async def _made(backend, plan) -> bool:
    try:
        await backend.create(plan, {})
    except Retry:
        return False
    return True


async def test_an_image_the_registry_does_not_have_is_given_up(rig, registry):
    backend = await rig.backend()
    plan = rig.plan("exit 0", image=f"{registry}/pods/missing:1")
    with pytest.raises(GiveUp, match="There is no image") as told:
        await _until_not_pulled(backend, plan)
    assert told.value.reason == "ImageMissing"


async def test_a_registry_that_is_away_is_waited_for(rig):
    backend = await rig.backend()
    plan = rig.plan("exit 0", image="127.0.0.1:1/pods/missing:1")
    with pytest.raises(BackendError, match="cannot be pulled"):
        await _until_not_pulled(backend, plan)


async def _until_not_pulled(backend, plan) -> None:
    async with asyncio.timeout(30):
        while not await _made(backend, plan):
            pass


async def test_an_image_without_a_shell_is_said_to_be_impossible(rig):
    backend = await rig.backend()
    empty = await asyncio.to_thread(_import_empty, rig.installation[:8])
    plan = rig.plan("exit 0", image=empty)
    pod = await rig.run(backend, plan)
    assert pod.reason is EndReason.START_FAILED
    assert "cannot be run" in pod.message
    await backend.remove(plan.name)
    await asyncio.to_thread(engine().remove_image, empty)


def _import_empty(tag: str) -> str:
    engine().import_image_from_data(b"\0" * 1024, repository="cassini-test/empty", tag=tag)
    return f"cassini-test/empty:{tag}"
