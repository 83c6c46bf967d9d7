"""Pods as containers of a real Docker engine."""

import asyncio
import io
import os
from contextlib import suppress
from functools import cache

import docker
import pytest
from docker.errors import APIError, DockerException

from services.provisioner.backends.docker import DockerBackend
from services.provisioner.backends.docker import pods as pods_module
from services.provisioner.backends.docker.names import Names
from services.provisioner.settings import DockerSettings
from tests.conftest import missing
from tests.provisioner.backends.conformance.rig import Rig

POOL = "10.217.0.0/16"
"""Not the default one, so that tests run beside an installation."""
BARE_IMAGE = "python:3.11-slim"
IMAGE = "cassini-test/conformance:1"
_DOCKERFILE = f"""
FROM {BARE_IMAGE}
RUN useradd --uid 1000 --create-home --shell /bin/bash jovyan \\
 && python -m venv --without-pip /opt/environment && chown -R jovyan /opt/environment
ENV CASSINI_IMAGE=/opt/environment PATH=/opt/environment/bin:$PATH
USER jovyan
"""


@cache
def engine() -> docker.APIClient:
    """The engine, by the library itself."""
    try:
        client = docker.from_env(timeout=60).api
        client.ping()
    except DockerException as error:
        missing("docker", f"no Docker engine answers: {error}")
    return client


@cache
def image() -> str:
    """Return an image that keeps the contract: CASSINI_IMAGE, and the user jovyan."""
    file = io.BytesIO(_DOCKERFILE.encode())
    said = list(engine().build(fileobj=file, tag=IMAGE, rm=True, decode=True))
    if any("error" in line for line in said):
        missing("docker", f"the test's image cannot be built: {said[-1]}")
    return IMAGE


class DockerRig(Rig):
    """An engine that others use as well: all of this test's carries its installation's label."""

    def __init__(self) -> None:
        super().__init__()
        self.image = image()
        self.missing_image = "sha256:" + "0" * 64
        self._names = Names(self.installation)

    def settings(self, **changes) -> DockerSettings:
        return DockerSettings(**{"network_pool": POOL, "call_seconds": 30, **changes})

    def make(self, **options) -> DockerBackend:
        options.setdefault("settings", self.settings())
        options.setdefault("installation_id", self.installation)
        return DockerBackend(**options)

    async def cut_short(self, backend, plan):
        await backend._starter.make(plan)

    async def execute(self, name, *command: str) -> str:
        made = engine().exec_create(self._names.container(name), list(command))
        output = await asyncio.to_thread(engine().exec_start, made["Id"])
        return output.decode()

    async def touch(self, name, path):
        await self.execute(name, "touch", f"/home/jovyan/{path}")

    async def kill_keeper(self, name):
        await asyncio.to_thread(engine().kill, self._names.container(name))

    async def ask_to_end(self, name):
        await asyncio.to_thread(engine().kill, self._names.container(name), "SIGTERM")

    async def reboot(self, monkeypatch):
        """Kill its pods and change the machine's boot id: the engine itself is others' too."""
        for backend in self.backends:
            await backend.close()
        for record in self.ours("containers", all=True):
            await asyncio.to_thread(engine().kill, record["Id"])

        class OtherBoot:
            def read_text(self):
                return "another boot\n"

        monkeypatch.setattr(pods_module, "_BOOT_ID", OtherBoot())

    async def living(self, name):
        try:
            found = await asyncio.to_thread(engine().top, self._names.container(name))
        except APIError:
            return 0
        return len(found["Processes"])

    async def remains(self):
        networks = await asyncio.to_thread(self.ours, "networks")
        pods = await asyncio.to_thread(self.ours, "containers", all=True)
        return [str(each) for each in (*networks, *pods)]

    async def finds(self, planted, name):
        container = self._names.container(name)
        found = []
        if planted.decode() in str(await asyncio.to_thread(engine().inspect_container, container)):
            found.append("inspect")
        exported = await asyncio.to_thread(lambda: b"".join(engine().export(container)))
        if planted in exported:
            found.append("layer")
        if planted.decode() in await self.execute(name, "sh", "-c", "cat /run/cassini/* 2>&1"):
            found.append("memory")
        if planted.decode() in await self.execute(name, "sh", "-c", "cat /proc/*/cmdline"):
            found.append("arguments")
        return found

    def ours(self, what: str, **options):
        label = f"cassini.installation={self.installation}"
        found = getattr(engine(), what)(filters={"label": label}, **options)
        return found["Volumes"] or [] if what == "volumes" else found

    async def clean(self):
        for backend in self.backends:
            await backend.close()
        await asyncio.to_thread(self._remove_all)

    def _remove_all(self) -> None:
        with suppress(APIError):
            for record in self.ours("containers", all=True):
                engine().remove_container(record["Id"], force=True, v=True)
        for record in self.ours("networks"):
            engine().remove_network(record["Id"])
        for record in self.ours("volumes"):
            engine().remove_volume(record["Name"], force=True)


def skip_without_memory_limits(description) -> None:
    if "memory" not in description.limits:
        pytest.skip("this machine does not let us limit memory")


HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
