"""Looks into images with a throw-away container: what a base is, and whether an image works."""

import json
import re
from dataclasses import dataclass

from cassini.runtime.errors import BackendError, GiveUp
from services.builder.backends.docker.engine import Engine
from services.builder.dockerfile import ENVIRONMENT, UID
from services.builder.recipe import Recipe

_PROBE = """\
import json, platform, shutil, sys
libc, version = platform.libc_ver()
print("cassini " + json.dumps({
    "python": "%s-%d.%d%s" % (
        platform.python_implementation().lower(), *sys.version_info[:2], sys.abiflags),
    "machine": platform.machine(),
    "libc": libc,
    "libc_version": version,
    "lacks": [name for name in ("bash", "useradd", "groupadd") if not shutil.which(name)],
}))
"""
_CHECK = """\
import importlib, os, sys
assert os.getuid() == int(sys.argv[1]), "the user is %d" % os.getuid()
for name in sys.argv[2:]:
    importlib.import_module(name)
"""
_IMPORTED = ("ipykernel", "jupyterlab")
_GLIBC_MINORS = (17, 28, *range(31, 41))
"""What ``uv`` knows as platforms, of glibc 2."""


@dataclass(frozen=True)
class BaseFacts:
    """What a base image is, as far as packages depend on it."""

    python: str
    """Implementation, version and ABI flags: ``cpython-3.11``."""
    platform: str
    """As ``uv`` names it: ``x86_64-manylinux_2_36``."""


async def look_at_base(engine: Engine, image: str, *, machine: str, label: str) -> BaseFacts:
    """Return what packages of a base image must be made for.

    Raises:
        GiveUp: no image can stand on it; the message says why.
    """
    command = ["python3", "-I", "-S", "-c", _PROBE]
    ran = await engine.run(image, command, label=label, user="0")
    match = re.search(r"^cassini (\{.*\})$", ran.output, re.MULTILINE)
    if match is None:
        message = f"The base image has no Python that works: {ran.output[-500:].strip()}"
        raise GiveUp(message, reason="UnfitBaseImage")
    found = json.loads(match[1])
    problem = _problem(found, machine)
    if problem is not None:
        raise GiveUp(f"The base image {problem}.", reason="UnfitBaseImage")
    minor = max(each for each in _GLIBC_MINORS if each <= _minor(found["libc_version"]))
    return BaseFacts(found["python"], f"{found['machine']}-manylinux_2_{minor}")


async def check_image(engine: Engine, image: str, recipe: Recipe, *, label: str) -> None:
    """Start the image's Python as its user, and import what people start with.

    Raises:
        GiveUp: it does not work; the message holds what Python said.
        BackendError: the engine killed it.
    """
    names = [name for name in _IMPORTED if re.search(rf"^{name}==", recipe.lock, re.MULTILINE)]
    command = [f"{ENVIRONMENT}/bin/python", "-I", "-c", _CHECK, str(UID), *names]
    ran = await engine.run(image, command, label=label)
    if ran.exit_code > 128:  # noqa: PLR2004 - ended by a signal
        raise BackendError("The check of the image was killed; the machine may be out of memory.")
    if ran.exit_code:
        message = f"The image does not work:\n{ran.output[-2000:].strip()}"
        raise GiveUp(message, reason="BrokenImage")


def _minor(version: str) -> int:
    major, _, minor = version.partition(".")
    return int(minor.partition(".")[0]) if major == "2" and minor else 0


def _problem(found: dict[str, str], machine: str) -> str | None:
    if found["lacks"]:
        return f"lacks {', '.join(found['lacks'])}"
    if found["libc"] != "glibc" or _minor(found["libc_version"]) < _GLIBC_MINORS[0]:
        return "has no glibc that packages are made for; choose one of Debian or Ubuntu"
    if found["machine"] != machine:
        return f"is for {found['machine']}, the builder runs on {machine}"
    return None
