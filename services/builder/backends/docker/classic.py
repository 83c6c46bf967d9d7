"""Builds with the engine's classic builder, for engines and machines without BuildKit.

The context goes to the engine as one archive; the log comes back as a stream, and closing that
stream ends the build. The stage that had the secrets stays behind as images without a name: they
carry a label of this one build and are removed with it.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import APIError
from docker.types import CancellableStream
from docker.utils import kwargs_from_env
from docker.utils.build import create_archive

from cassini.runtime.blocking import in_thread
from services.builder.backends.base import LogSink
from services.builder.backends.docker.engine import Engine, engine_errors, follow
from services.builder.backends.docker.failures import BuildFailed
from services.builder.backends.docker.options import BuildOptions

_OF_THE_BUILDER = re.compile(
    r" ---> |Step \d+/\d+ : |Removing intermediate container |Successfully (built|tagged) "
)


class _Client(docker.APIClient):
    """Keeps the answer to a build, so that it can be closed by another thread."""

    _answer: Any = None

    def _stream_helper(self, response: Any, decode: bool = False) -> Any:
        self._answer = response
        return super()._stream_helper(response, decode=decode)  # type: ignore[misc]

    def end_stream(self) -> None:
        """End the build under way, if one is."""
        if self._answer is not None:
            CancellableStream(iter(()), self._answer).close()


async def build_classic(engine: Engine, context: Path, options: BuildOptions, stage: str) -> None:
    """Build the folder ``context`` and give the image a name.

    Args:
        engine: where the stage with the secrets is removed again.
        context: the folder with the Dockerfile.
        options: how.
        stage: the label of the stage that has secrets.

    Raises:
        BuildFailed: a step failed; it holds what was said.
        BackendError: the engine is away, or the build took too long.
    """
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []

    def say(event: Mapping[str, Any]) -> None:
        for line in str(event.get("stream", "")).splitlines():
            if _OF_THE_BUILDER.match(line) is None:
                asyncio.run_coroutine_threadsafe(_write(options.log, line), loop).result()

    def build() -> None:
        with engine_errors(), tempfile.TemporaryFile() as archive:
            create_archive(str(context), files=_names(context), fileobj=archive)
            archive.seek(0)
            client = _Client(timeout=int(options.seconds), **_address(options.host))
            clients.append(client)
            try:
                error = follow(_begin(client, archive, options), say)
            finally:
                client.close()
        if error is not None:
            raise BuildFailed(error)

    try:
        await in_thread(build, seconds=options.seconds, what="the build")
    finally:
        for client in clients:
            with suppress(OSError, AttributeError):
                client.end_stream()
        await _remove_stage(engine, stage)


def _begin(client: _Client, archive: IO[bytes], options: BuildOptions) -> Iterable[Any]:
    return client.build(
        fileobj=archive,
        custom_context=True,
        tag=options.name,
        labels=dict(options.labels),
        network_mode=options.network,
        buildargs=dict(options.arguments),
        rm=True,
        forcerm=True,
        decode=True,
        use_config_proxy=False,
    )


def _address(host: str | None) -> dict[str, Any]:
    if host is not None:
        return {"base_url": host, "version": "auto"}
    return {**kwargs_from_env(), "version": "auto"}


def _names(context: Path) -> list[str]:
    return [
        os.path.relpath(Path(folder, name), context)
        for folder, _, names in os.walk(context)
        for name in names
    ]


async def _write(log: LogSink, line: str) -> None:
    await log(line)


async def _remove_stage(engine: Engine, stage: str) -> None:
    """Remove the layers that had the secrets, newest first."""

    def remove(client: docker.DockerClient) -> None:
        layers = client.api.images(all=True, filters={"label": stage})
        for layer in sorted(layers, key=lambda each: -each["Created"]):
            with suppress(APIError):  # gone with the one before it
                client.api.remove_image(layer["Id"])

    await engine.call(remove)
