"""The fixture that runs each case of the suite on every backend."""

import asyncio

import pytest

from tests.provisioner.backends.conformance.local_rig import LocalRig

BACKENDS = [
    "local",
    "local without namespaces",
    pytest.param("docker", marks=pytest.mark.docker),
]


async def make_rig(which: str, **options):
    """Return the rig of a backend, by its name."""
    if which == "docker":
        # Only tests that need it load the library.
        from tests.provisioner.backends.conformance.docker_rig import DockerRig, image  # noqa: PLC0415

        await asyncio.to_thread(image)
        return DockerRig()
    return LocalRig("none" if which == "local without namespaces" else "namespaces", **options)


@pytest.fixture(params=BACKENDS)
async def rig(request):
    """A place of a test's own, with nothing left of it afterwards."""
    rig = await make_rig(request.param)
    yield rig
    await rig.clean()
