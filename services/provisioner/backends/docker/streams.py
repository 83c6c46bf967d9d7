"""Streams of the Docker engine: events, a pull's progress, a command inside a container."""

import socket as sockets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from docker.utils.socket import STDOUT, frames_iter

from services.provisioner.backends.docker.engine import Client, Stream

_LONGEST_LINE = 4096


def open_events(
    client: Client, *, since: int, until: int, filters: Mapping[str, Any]
) -> Stream[dict[str, Any]]:
    """Return the events of a time (Unix seconds) as they come."""
    return client.events(since=since, until=until, filters=dict(filters), decode=True)


class Pull:
    """The engine's messages while it pulls an image."""

    def __init__(self, client: Client, reference: str) -> None:
        # Without a tag the engine would pull them all.
        named = "@" in reference or ":" in reference.rsplit("/", 1)[-1]
        self._messages = client.pull(
            reference if named else f"{reference}:latest", stream=True, decode=True
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield messages."""
        yield from self._messages

    def close(self) -> None:
        """Leave it; the engine goes on pulling until it notices."""
        with suppress(ValueError):  # another thread reads from it
            self._messages.close()


class Input:
    """The standard input of a container that was made and not started yet."""

    def __init__(self, client: Client, container: str) -> None:
        self._wrapped: Any = client.attach_socket(container, params={"stdin": 1, "stream": 1})
        self._socket = _plain(self._wrapped)

    def say(self, what: bytes) -> None:
        """Say all there is to say; the container may read it later."""
        self._socket.sendall(what)
        self._socket.shutdown(sockets.SHUT_WR)

    def close(self) -> None:
        """Leave it; what was not read may be lost."""
        _close(self._wrapped, self._socket)


class Command:
    """A command that runs in a container: it is told something, and says lines."""

    def __init__(self, client: Client, container: str, command: Sequence[str], said: bytes) -> None:
        made = client.exec_create(container, list(command), stdin=True)
        self._wrapped: Any = client.exec_start(made["Id"], socket=True)
        self._socket = _plain(self._wrapped)
        try:
            self._socket.sendall(said)
        except OSError:
            self.close()
            raise

    def __iter__(self) -> Iterator[str]:
        """Yield the lines that it prints to its standard output."""
        rest = b""
        with suppress(OSError, ValueError):  # it was closed
            frames: Iterator[tuple[int, bytes]]
            frames = frames_iter(self._wrapped, tty=False)  # type: ignore[no-untyped-call]
            for stream, data in frames:
                if stream == STDOUT:
                    *lines, rest = (rest + data).split(b"\n")
                    yield from (line[:_LONGEST_LINE].decode("utf-8", "replace") for line in lines)
                    rest = rest[-_LONGEST_LINE:]

    def close(self) -> None:
        """Leave it; the command goes on."""
        _close(self._wrapped, self._socket)


def _plain(wrapped: Any) -> sockets.socket:
    """Return the socket that the library has wrapped, without a limit of time."""
    found: sockets.socket = getattr(wrapped, "_sock", wrapped)
    found.settimeout(None)
    return found


def _close(wrapped: Any, plain: sockets.socket) -> None:
    with suppress(OSError):
        plain.shutdown(sockets.SHUT_RDWR)
    with suppress(OSError, ValueError):  # it is closed already, or another thread reads from it
        wrapped._response.close()  # noqa: SLF001 - kept there by the library
    wrapped.close()
