"""Images that go to a registry count only when the registry gives their digest back."""

import os
import socket
import urllib.request
import uuid
from contextlib import suppress

import pytest
from docker.errors import DockerException, ImageNotFound

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError
from cassini.testing.waiting import until
from services.builder.backends.docker.backend import LABEL
from tests.builder.conftest import run_in
from tests.conftest import missing

pytestmark = [
    pytest.mark.docker,
    pytest.mark.blocks_loop(reason="the tests themselves ask the engine"),
]

SIX = ImageSpec(requirements="six==1.17.0\n")


def answers(address):
    try:
        with urllib.request.urlopen(f"http://{address}/v2/", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
async def registry(engine, installation):
    """The address of a registry: the given one, the usual one, or one of the test's own."""
    given = os.environ.get("CASSINI_TEST_REGISTRY", "127.0.0.1:5000")
    if answers(given):
        yield given
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        container = engine.containers.run(
            "registry:2",
            detach=True,
            ports={"5000/tcp": ("127.0.0.1", port)},
            labels={LABEL: installation},
        )
    except DockerException as error:
        missing("docker", f"there is no registry at {given} and none can be started: {error}")
    address = f"127.0.0.1:{port}"
    await until(lambda: answers(address), seconds=30)
    yield address
    container.remove(force=True, v=True)


async def test_an_image_is_built_when_the_registry_has_it(
    docker_backend, engine, log, registry, installation
):
    backend = docker_backend(registry=f"{registry}/team")
    recipe = await backend.resolve(SIX, log)
    assert await backend.verify(recipe.digest) is None

    image = await backend.build(recipe, log)

    repository, _, digest = image.reference.partition("@")
    assert f"{registry}/team/cassini-{installation[:8]}" == repository
    assert digest == engine.images.get_registry_data(f"{repository}:{image.digest}").id
    await backend.remove(image.digest)
    with pytest.raises(ImageNotFound):
        engine.images.get(image.reference)
    assert image == await backend.verify(image.digest)
    engine.images.pull(repository, tag=digest)
    try:
        assert "1000\n" == await run_in(engine, image, ["id", "-u"])
    finally:
        engine.images.remove(image.reference)


async def test_an_image_that_the_registry_lost_is_pushed_again_without_a_build(
    docker_backend, engine, log, registry
):
    local = docker_backend()
    recipe = await local.resolve(SIX, log)
    await local.build(recipe, log)
    backend = docker_backend(registry=f"{registry}/team-{uuid.uuid4().hex[:8]}")

    image = await backend.build(recipe, log)

    assert image == await backend.verify(recipe.digest)
    assert log.count_of("Installed") == 1
    with suppress(ImageNotFound):
        await backend.remove(recipe.digest)


async def test_a_registry_that_is_away_is_no_built_image(docker_backend, log):
    backend = docker_backend(registry="127.0.0.1:9/team")
    with pytest.raises(BackendError, match="refused"):
        await backend.verify("0" * 64)


async def test_credentials_go_to_their_own_registry_only(docker_backend, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("robot:pass:word\n")
    backend = docker_backend(registry="registry.test:5000/team", registry_credentials_file=file)
    expected = {"username": "robot", "password": "pass:word"}
    assert expected == backend._credentials("registry.test:5000/team/cassini-1:2")
    assert backend._credentials("registry.test/team/cassini-1:2") is None
    assert backend._credentials("python:3.11-slim") is None
    file.write_text("robot\n")
    with pytest.raises(BackendError, match="user:password"):
        backend._credentials("registry.test:5000/x")
