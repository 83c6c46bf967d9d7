"""The door to the Docker engine: its library, which blocks, and its errors, put into our words.

Calls go through ``cassini/runtime/blocking.py``. What streams for long (events, pulls, the output
of a command) runs in a thread of its own, so that no number of streams takes the calls' threads.
An engine that is away is a ``BackendError``; what it refuses is ``Refused``, with its status.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from docker import APIClient
from docker.errors import APIError, DockerException, create_api_error_from_http_exception
from docker.utils import kwargs_from_env
from requests import Response
from requests.exceptions import HTTPError, RequestException

from cassini.runtime.blocking import in_thread
from cassini.runtime.errors import BackendError

Client = APIClient
"""The library's client, for those who give ``call`` some work."""

T = TypeVar("T")
_Item_co = TypeVar("_Item_co", covariant=True)

_CONNECTIONS = 32
_LONGEST_EXPLANATION = 500


class Refused(BackendError):
    """The engine answered, with an error; ``status`` is that of HTTP."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Stream(Protocol[_Item_co]):
    """What comes bit by bit; ``close`` may be called from another thread, and ends it."""

    def __iter__(self) -> Iterator[_Item_co]:
        """Yield what comes; blocks."""

    def close(self) -> None:
        """End it."""


class Engine:
    """One Docker engine.

    ``host`` is as in ``DOCKER_HOST``; empty: what the environment says, else the usual socket.
    ``seconds`` is the longest a call may take that says nothing else.
    """

    def __init__(self, host: str, *, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._streams: set[Stream[Any]] = set()
        self._cores: float | None = None

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self._host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine's kernel, as far as can be told."""
        return self.address.startswith(("unix://", "http+unix://"))

    async def call(self, work: Callable[[Client], T], *, seconds: float | None = None) -> T:
        """Return what ``work`` returns, which is given the library's client.

        Raises:
            Refused: the engine answers with an error.
            BackendError: it cannot be reached, or does not answer in time.
        """
        longest = self._seconds if seconds is None else seconds
        who = f"The Docker engine at {self.address}"
        return await in_thread(self._work, work, seconds=longest, what=who)

    async def cores(self) -> float:
        """Return how many it has; asked once, and again when it was away.

        Raises:
            BackendError: it cannot be reached.
        """
        if self._cores is None:
            self._cores = float((await self.call(lambda client: client.info()))["NCPU"])
        return self._cores

    async def stream(self, begin: Callable[[Client], Stream[T]]) -> AsyncGenerator[T]:
        """Yield what a stream brings, until it ends or the reader leaves.

        Raises:
            Refused: the engine answers with an error.
            BackendError: it cannot be reached.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue()
        left = threading.Event()
        opened: list[Stream[T]] = []

        def say(what: tuple[T] | BaseException | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(queue.put_nowait, what)

        def read(client: Client) -> None:
            source = begin(client)
            opened.append(source)
            self._streams.add(source)
            try:
                for item in () if left.is_set() else source:
                    say((item,))
            finally:
                self._streams.discard(source)
                source.close()

        def run() -> None:
            try:
                self._work(read)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is read
                say(None if left.is_set() else error)
            else:
                say(None)

        _apart(run)
        try:
            while (came := await queue.get()) is not None:
                if isinstance(came, BaseException):
                    raise came
                yield came[0]
        finally:
            left.set()
            for source in opened:
                source.close()

    async def begin(self, work: Callable[[Client], object]) -> "asyncio.Future[None]":
        """Begin what takes long; returns when it is about to be asked for.

        What is returned is done with it, or raises as ``call`` does. Whoever does not wait for it
        leaves it to the engine.
        """
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()
        done: asyncio.Future[None] = loop.create_future()

        def tell(future: "asyncio.Future[None]", error: Exception | None = None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(_tell, future, error)

        def run() -> None:
            tell(begun)
            try:
                self._work(work)
            except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
                tell(done, error)
            else:
                tell(done)

        _apart(run)
        await begun
        return done

    async def close(self) -> None:
        """End all streams and connections."""
        for stream in tuple(self._streams):
            with suppress(OSError):  # its thread closes it right now
                stream.close()
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    def _work(self, work: Callable[[Client], T]) -> T:
        try:
            return work(self._connected())
        except APIError as error:
            raise _refused(error) from None
        except (DockerException, RequestException, OSError) as error:
            self._cores = None
            raise BackendError(
                f"The Docker engine at {self.address} cannot be reached: {_first_line(error)}"
            ) from error

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                found = kwargs_from_env()
                if self._host:
                    found["base_url"] = self._host
                self._client = APIClient(
                    **cast("dict[str, Any]", found),
                    version="auto",
                    timeout=max(int(self._seconds) - 1, 1),
                    num_pools=_CONNECTIONS,
                    max_pool_size=_CONNECTIONS,
                )
            return self._client


def _apart(run: Callable[[], None]) -> None:
    """Run something in a thread of its own that ends with the process."""
    threading.Thread(target=run, name="docker stream", daemon=True).start()


def _tell(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def url(client: Client, path: str) -> str:
    """Return the address of what the library has no method for."""
    return f"{client.base_url}/v{client.api_version}{path}"


def check(response: Response) -> None:
    """Raise for an answer that is an error, as the library's own methods do."""
    try:
        response.raise_for_status()
    except HTTPError as error:
        raise create_api_error_from_http_exception(error) from error


def _refused(error: APIError) -> Refused:
    response = error.response
    status = 500 if response is None else response.status_code
    explanation = error.explanation or str(error)
    if isinstance(explanation, bytes):
        explanation = explanation.decode("utf-8", "replace")
    text = " ".join(explanation.split())[:_LONGEST_EXPLANATION]
    return Refused(f"The Docker engine refused: {text}", status=status)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_LONGEST_EXPLANATION]
