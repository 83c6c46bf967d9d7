"""One connection to RabbitMQ, made anew from zero whenever there is a doubt about it.

A connection that repairs itself can come back with a channel that is open and a consumer that the
broker does not know. So nothing is repaired here: a closed channel, a cancelled consumer, an
answer that does not come within seconds, all end the session, and the next one starts with a new
socket, the topology, new channels and new consumers. Whoever uses the link (``LinkUser``) is asked
every few seconds to prove that it works, by a question that the broker must answer.

A link that is not up says why in ``problem``.
"""

import asyncio
from contextlib import suppress
from typing import Protocol

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

ANSWER_SECONDS = 10.0
"""How long the broker may take for any answer."""
CHECK_SECONDS = 5.0
_HEARTBEAT_SECONDS = 10
_CLOSE_SECONDS = 5.0
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0

_log = structlog.get_logger(__name__)


class LinkUser(Protocol):
    """What lives on a connection."""

    async def begin(self, connection: AbstractConnection) -> None:
        """Make channels and consumers on a new connection."""

    async def check(self) -> None:
        """Prove that they work.

        Raises:
            Exception: there is a doubt; the connection is made anew.
        """

    async def end(self) -> None:
        """Forget them; the connection is lost or about to be closed."""


class Link:
    """Keeps one connection up for its user."""

    def __init__(self, url: str, *, name: str, user: LinkUser, check_seconds: float) -> None:
        self.problem: str | None = "the broker is not connected yet"
        self._url = url
        self._name = name
        self._user = user
        self._check_seconds = check_seconds
        self._ending: asyncio.Future[str] | None = None
        self._closing = False
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def until_up(self) -> None:
        """Wait until the connection is there and its user has begun."""
        await self._up.wait()

    def doubt(self, reason: str) -> None:
        """End this session and begin another one."""
        if self._ending is not None and not self._ending.done():
            self.problem = reason
            self._ending.set_result(reason)

    async def close(self) -> None:
        """Close the connection and make no other one."""
        task, self._task = self._task, None
        if task is not None:
            self._closing = True
            serving = self._ending is not None and not self._ending.done()
            self.doubt("the bus is closed")
            await asyncio.wait([task], timeout=ANSWER_SECONDS if serving else 0)
            while not task.done():
                task.cancel()  # again and again: aio-pika can swallow one
                await asyncio.wait([task], timeout=1)
        self.problem = "the broker is not connected any more"

    async def _run(self) -> None:
        delay = _FIRST_DELAY
        while not self._closing:
            try:
                await self._session()
                delay = _FIRST_DELAY
            except Exception as error:  # noqa: BLE001 - whatever it is, the next one starts anew
                self.problem = f"the broker cannot be used: {_text(error)}"
                delay = min(delay * 2, _LONGEST_DELAY)
            if not self._closing:
                _log.warning("connecting to the broker anew", link=self._name, reason=self.problem)
                await asyncio.sleep(delay)

    async def _session(self) -> None:
        """Connect and serve until there is a doubt; raises when it could not begin."""
        self._ending = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await aio_pika.connect(
                self._url,
                heartbeat=_HEARTBEAT_SECONDS,
                client_properties={"connection_name": self._name},
            )
        try:
            connection.close_callbacks.add(self._closed)
            async with asyncio.timeout(ANSWER_SECONDS * 2):
                await self._user.begin(connection)
            self.problem = None
            self._up.set()
            _log.info("connected to the broker", link=self._name)
            await self._watch()
        finally:
            self._up.clear()
            await self._user.end()
            # By itself aio-pika would wait for a peer that may be gone.
            with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await connection.close()

    async def _watch(self) -> None:
        ending = self._ending
        while ending is not None:
            done, _ = await asyncio.wait([ending], timeout=self._check_seconds)
            if done:
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._user.check()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a doubt
                self.doubt(f"the broker does not answer as it should: {_text(error)}")

    def _closed(self, _connection: object, error: BaseException | None) -> None:
        self.doubt(f"the connection to the broker was lost: {_text(error)}")


def _text(error: BaseException | None) -> str:
    return str(error) or type(error).__name__
