"""Where images are made in tests: environments on this machine, and a real Docker engine."""

import asyncio
import gc
import subprocess
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, DockerException

from services.builder.backends.base import ImageBackend
from services.builder.backends.docker.backend import LABEL, DockerBackend
from services.builder.backends.local_env import LocalEnvBackend
from services.builder.settings import BuilderSettings
from tests.builder.lines import Lines
from tests.conftest import missing

BASE = "python:3.11-slim"


@dataclass(frozen=True)
class ImagePlace:
    """Where images are made."""

    backend: Callable[..., ImageBackend]
    """Makes one, as another replica's."""
    run: Callable[..., Awaitable[str]]
    """Runs Python code in an image and returns what it printed."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def log():
    return Lines()


@pytest.fixture(scope="session")
def engine():
    """The SDK's client of a Docker engine that has the base image."""
    try:
        client = docker.from_env(timeout=60)
        client.images.get(BASE)
    except DockerException as error:
        missing("docker", f"there is no engine with {BASE}: {error}")
    yield client
    client.close()


@pytest.fixture
def installation(engine):
    """An installation of the test's own; its images and containers are removed afterwards."""
    name = uuid.uuid4().hex
    yield name
    for container in engine.containers.list(all=True, filters={"label": f"{LABEL}={name}"}):
        with suppress(APIError):
            container.remove(force=True)
    images = engine.images.list(filters={"label": f"{LABEL}={name}"})
    names = [tag for image in images for tag in image.tags]
    passing = [tag for image in engine.images.list(f"cassini/{name[:8]}") for tag in image.tags]
    for tag in {*names, *(tag for tag in passing if tag.startswith(f"cassini/{name[:8]}:"))}:
        with suppress(APIError):
            engine.images.remove(tag)


@pytest.fixture
async def docker_backend(installation, tmp_path):
    """Makes Docker backends with settings of the test's, all of one installation."""
    made = []

    def make(**settings):
        given = {"base_image": BASE, "build_network": "host", **settings}
        backend = DockerBackend(
            BuilderSettings(**given), installation_id=installation, work=tmp_path / "work"
        )
        made.append(backend)
        return backend

    yield make
    for backend in made:
        await backend.close()
    gc.collect()  # a connection that was left open is told of here, by its own test


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def place(request, tmp_path, cache):
    if request.param == "local":
        return ImagePlace(
            lambda **_: LocalEnvBackend(images=tmp_path / "images", cache=cache), _run_locally
        )
    engine = request.getfixturevalue("engine")
    return ImagePlace(
        request.getfixturevalue("docker_backend"),
        lambda image, code: run_in(engine, image, ["python", "-c", code]),
    )


async def run_in(engine, image, command):
    """Return what a command prints in a container of an image."""
    reference = getattr(image, "reference", image)
    printed = await asyncio.to_thread(
        engine.containers.run, reference, command, remove=True, network_mode="none"
    )
    return printed.decode()


async def _run_locally(image, code):
    command = [Path(image.reference, "bin", "python"), "-c", code]
    options = {"check": True, "capture_output": True, "text": True}
    return (await asyncio.to_thread(subprocess.run, command, **options)).stdout
