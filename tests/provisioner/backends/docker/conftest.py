"""A Docker engine and what a test makes there, with nothing left of it afterwards."""

import asyncio
import gc

import pytest

from tests.provisioner.backends.conformance.docker_rig import HOST, DockerRig, image
from tests.provisioner.backends.docker.proxy import Door


@pytest.fixture
async def rig():
    await asyncio.to_thread(image)
    rig = DockerRig()
    yield rig
    await rig.clean()


@pytest.fixture
async def door(tmp_path):
    door = Door(tmp_path / "docker.sock", HOST)
    await door.open()
    yield door
    await door.shut()
    gc.collect()  # while the warnings of the test's module count
