"""Builds with BuildKit, by the ``docker`` command: the SDK cannot speak its protocol.

The command runs in a process group of its own; killing it ends the build in the engine, since
BuildKit's session ends with it. Its plain log names each line's step and time, which are taken
off, and tells of much that people do not need.
"""

import asyncio
import os
import re
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from cassini.runtime.errors import BackendError
from services.builder.backends.base import LogSink
from services.builder.backends.docker.failures import BuildFailed
from services.builder.backends.docker.options import BuildOptions
from services.builder.backends.processes import end_group, read_lines
from services.builder.dockerfile import SECRETS

_PASSED = re.compile(r"PATH|HOME|TMPDIR|DOCKER_(TLS\w*|CERT_PATH|CONFIG|API_VERSION)|LANG")
_STEP_LINE = re.compile(r"#\d+ (?:(?P<printed>\d+\.\d+) )?(?P<text>.*)")
_SAID_AT_THE_END = re.compile(r"ERROR: (?P<text>.*)", re.DOTALL)


async def find_buildkit() -> str | None:
    """Return the ``docker`` command if it can build with BuildKit."""
    command = shutil.which("docker")
    if command is None:
        return None
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(command, "buildx", "version"),
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(20):
            return command if await process.wait() == 0 else None
    except TimeoutError:
        return None
    finally:
        await end_group(process)


async def build_with_buildkit(command: str, context: Path, options: BuildOptions) -> None:
    """Build the folder ``context`` and give the image a name.

    Args:
        command: the ``docker`` command.
        context: the folder with the Dockerfile; its ``secrets`` stay on this side.
        options: how.

    Raises:
        BuildFailed: a step failed; it holds what the command said at the end.
        BackendError: not done in time.
    """
    secrets = context / "secrets"
    flags = [f"--label={key}={value}" for key, value in options.labels.items()]
    flags += [f"--secret=id={each},src={secrets / each}" for each in SECRETS]
    flags += [f"--build-arg={key}" for key in options.arguments]  # values: in the environment
    flags += [f"--network={options.network}"] if options.network is not None else []
    process = await asyncio.create_subprocess_exec(
        *(command, "build", "--progress=plain", f"--tag={options.name}", *flags, str(context)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(options.host, options.arguments),
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(options.seconds):
            error = await _tell(process, options.log)
            await process.wait()
    except TimeoutError:
        minutes = round(options.seconds / 60)
        raise BackendError(f"The build did not end within {minutes} minutes.") from None
    finally:
        await end_group(process)
    if process.returncode:
        raise BuildFailed(error or f"the docker command ended with {process.returncode}")


def _environment(host: str | None, arguments: Mapping[str, str]) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    address = host or os.environ.get("DOCKER_HOST")
    if address:
        passed["DOCKER_HOST"] = address
    # The engine's own builder: another one would keep the image to itself.
    return passed | {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default"} | dict(arguments)


async def _tell(process: asyncio.subprocess.Process, log: LogSink) -> str:
    """Log what the steps print; return what the command says of its failure."""
    if process.stderr is None:
        raise ValueError("the command's errors must be a pipe")
    rest: deque[str] = deque(maxlen=20)
    async for line in read_lines(process.stderr):
        match = _STEP_LINE.fullmatch(line)
        if match is None:
            rest.append(line)
        elif match["printed"]:
            await log(match["text"])
    found = _SAID_AT_THE_END.search("\n".join(rest))
    return found["text"] if found else "\n".join(rest)
