"""The Docker engine as the builder needs it: the SDK in threads, its errors as ours.

Everything is asked for by name, never by a bare image id where something is removed: removing an
id takes the last name that somebody else may just have given it.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from cassini.runtime.blocking import in_thread
from cassini.runtime.errors import BackendError, GiveUp
from services.builder.backends.base import LogSink
from services.builder.backends.docker.records import EngineImage, Ran, read_image, split_name

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

CALL_SECONDS = 60.0
RUN_SECONDS = 180.0
MOVE_SECONDS = 3600.0
"""For a pull or a push."""

_WHAT = "the Docker engine"
_DISK_FULL = ("no space left on device", "disk quota exceeded")
_ABSENT = ("not found", "manifest unknown", "does not exist", "access denied")
_NO_COMMAND = ("executable file not found", "no such file or directory")
_NO_COMMAND_EXIT = 127


class Engine:
    """One Docker engine.

    Args:
        host: its address; None for what ``DOCKER_HOST`` and its companions say.
        credentials: gives user and password for the registry of an image, where it has them.
    """

    def __init__(
        self, host: str | None, credentials: Callable[[str], dict[str, str] | None]
    ) -> None:
        self._host = host
        self._credentials = credentials
        self._client: docker.DockerClient | None = None
        self._lock = threading.Lock()

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    async def call(
        self,
        work: Callable[[docker.DockerClient, *Arguments], T],
        *arguments: *Arguments,
        seconds: float = CALL_SECONDS,
    ) -> T:
        """Run ``work(client, *arguments)`` in a thread.

        Raises:
            BackendError: the engine is away, slow, full or failed.
        """

        def run() -> T:
            with engine_errors():
                return work(self._connect(), *arguments)

        return await in_thread(run, seconds=seconds + 5, what=_WHAT)

    async def has_buildkit(self) -> bool:
        """Say whether the engine can build with BuildKit."""
        version = await self.call(lambda client: client.version())
        numbers = tuple(int(part) for part in version["ApiVersion"].split("."))
        return version.get("Os") == "linux" and numbers >= (1, 40)

    async def find(self, name: str) -> EngineImage | None:
        """Return the image of this name or id, if the engine has it."""

        def look(client: docker.DockerClient) -> EngineImage | None:
            try:
                return read_image(client.images.get(name).attrs)
            except ImageNotFound:
                return None

        return await self.call(look)

    async def ensure(self, name: str, log: LogSink) -> EngineImage:
        """Return the image of this name, pulled where the engine does not have it.

        Raises:
            GiveUp: no registry has it.
            BackendError: the registry cannot be reached.
        """
        found = await self.find(name)
        if found is not None:
            return found
        await log(f"Pulling {name}.")
        credentials = await asyncio.to_thread(self._credentials, name)

        def pull(client: docker.DockerClient) -> None:
            repository, tag = split_name(name)
            events = client.api.pull(
                repository, tag=tag, stream=True, decode=True, auth_config=credentials
            )
            _move(events, lambda _: None)

        try:
            await self.call(pull, seconds=MOVE_SECONDS)
        except BackendError as error:
            if any(word in error.message.lower() for word in _ABSENT):
                message = f"No registry gives the container image {name}: {error.message}"
                raise GiveUp(message, reason="BaseImageNotFound") from None
            raise
        found = await self.find(name)
        if found is None:
            raise BackendError(f"The engine pulled {name} but does not have it.")
        return found

    async def tag(self, source: str, name: str) -> None:
        """Give an image one more name."""
        repository, tag = split_name(name)
        await self.call(lambda client: client.api.tag(source, repository, tag, force=True))

    async def untag(self, name: str, *, used: bool = False) -> None:
        """Take a name away, with its last one the image; success if it is gone.

        Args:
            name: of the image.
            used: also while containers use the image or another that stands on it.

        Raises:
            BackendError: a container still uses it.
        """

        def remove(client: docker.DockerClient) -> None:
            with suppress(ImageNotFound, NotFound):
                users = client.api.containers(all=True, filters={"ancestor": name})
                if users and not used:
                    user = users[0]["Names"][0].removeprefix("/")
                    message = f"A container ({user}) still uses the image; it is removed later."
                    raise BackendError(message, code="image_in_use")
                client.images.remove(name, force=False)

        await self.call(remove)

    async def named(self, repository: str) -> dict[str, EngineImage]:
        """Return the images of a repository by their names (``repository:tag``)."""
        listed = await self.call(lambda client: client.api.images(name=repository))
        names = [name for each in listed for name in each["RepoTags"] or ()]
        ours = [name for name in names if name.startswith(f"{repository}:")]
        found = {name: await self.find(name) for name in ours}
        return {name: image for name, image in found.items() if image is not None}

    async def run(
        self, image: str, command: list[str], *, label: str, user: str | None = None
    ) -> Ran:
        """Run a command in a throw-away container without network and wait for its end.

        A command that is not there ends with 127, as in a shell.
        """

        def run(client: docker.DockerClient) -> Ran:
            key, _, value = label.partition("=")
            container = client.containers.create(
                image,
                command[1:],
                entrypoint=command[:1],
                labels={key: value},
                network_mode="none",
                user=user,
            )
            try:
                container.start()
                ended = container.wait(timeout=RUN_SECONDS)
                output = container.logs(stdout=True, stderr=True, tail=200)
                return Ran(ended["StatusCode"], output.decode(errors="replace"))
            except APIError as error:
                if any(word in str(error.explanation) for word in _NO_COMMAND):
                    return Ran(_NO_COMMAND_EXIT, f"there is no {command[0]}")
                raise
            finally:
                with suppress(NotFound):
                    container.remove(force=True, v=True)

        return await self.call(run, seconds=RUN_SECONDS + 30)

    async def push(self, name: str, log: LogSink) -> None:
        """Push a name to its registry."""
        loop = asyncio.get_running_loop()
        credentials = await asyncio.to_thread(self._credentials, name)

        def say(event: Mapping[str, Any]) -> None:
            if event.get("status") in {"Pushed", "Layer already exists"}:
                line = f"{event['status']}: {event.get('id', '')}"
                asyncio.run_coroutine_threadsafe(_write(log, line), loop).result()

        def push(client: docker.DockerClient) -> None:
            repository, tag = split_name(name)
            events = client.api.push(
                repository, tag=tag, stream=True, decode=True, auth_config=credentials
            )
            _move(events, say)

        await self.call(push, seconds=MOVE_SECONDS)

    async def registry_digest(self, name: str) -> str | None:
        """Return the digest (``sha256:…``) that the registry has for a name, if it has it."""
        credentials = await asyncio.to_thread(self._credentials, name)

        def look(client: docker.DockerClient) -> str | None:
            try:
                found = client.api.inspect_distribution(  # type: ignore[no-untyped-call]
                    name, auth_config=credentials
                )
            except NotFound:
                return None
            except APIError as error:
                if "manifest unknown" in str(error.explanation).lower():
                    return None
                raise
            return str(found["Descriptor"]["digest"])

        return await self.call(look)

    async def prune_build_cache(self, keep_bytes: int) -> None:
        """Shrink BuildKit's cache to so many bytes, the longest unused first."""
        await self.call(lambda client: client.api.prune_builds(keep_storage=keep_bytes, all=True))

    def _connect(self) -> docker.DockerClient:
        with self._lock:
            if self._client is None:
                if self._host is None:
                    self._client = docker.from_env(timeout=int(CALL_SECONDS))
                else:
                    self._client = docker.DockerClient(self._host, timeout=int(CALL_SECONDS))
            return self._client


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise ``BackendError`` for what the SDK raises inside."""
    try:
        yield
    except APIError as error:
        raise _failure(str(error.explanation or error)) from error
    except (DockerException, requests.RequestException, OSError) as error:
        message = "The Docker engine cannot be reached: is it running, and may we use its socket?"
        raise BackendError(message, code="engine_unreachable", said=str(error)) from error


async def _write(log: LogSink, line: str) -> None:
    await log(line)


def follow(events: Iterable[Any], say: Callable[[Mapping[str, Any]], None]) -> str | None:
    """Read a stream of the engine, and return the error that it tells of.

    To its end also after an error: only then is its connection given back.
    """
    error = None
    for event in events:
        if "error" in event:
            error = str(event["error"])
        else:
            say(event)
    return error


def _move(events: Iterable[Any], say: Callable[[Mapping[str, Any]], None]) -> None:
    """Follow a pull or push.

    Raises:
        BackendError: it failed.
    """
    said = follow(events, say)
    if said is not None:
        raise _failure(said)


def _failure(said: str) -> BackendError:
    if any(word in said.lower() for word in _DISK_FULL):
        message = "The engine's disk is full: make room for images."
        return BackendError(message, code="disk_full")
    return BackendError(f"The Docker engine says: {said}")
