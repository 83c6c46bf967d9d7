"""A client's library, called from a test as if it were here.

It runs in the clients' environment, as a program that is told a call by a line of JSON and says
what came of it by another: so a test reads like a script of the client, its assertions are
pytest's, and Python starts once for many calls.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.environment import HERE, Clients

_MOVED = 302


class Refused(Exception):
    """The platform refused a call, and the client said so."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Program:
    """A program of ``programs/`` that makes calls."""

    def __init__(self, clients: Clients, process: "subprocess.Popen[str]") -> None:
        self._clients, self._process = clients, process

    def ask(self, name: str, /, *words: Any, **more: Any) -> dict[str, Any]:
        """Make a call and return what came of it.

        Raises:
            Refused: the platform answered with an error.
        """
        told, said = self._process.stdin, self._process.stdout
        assert told
        assert said
        told.write(json.dumps({"name": name, "words": words, **more}) + "\n")
        told.flush()
        line = said.readline()
        assert line, f"{name}: the program ended: {(self._clients.home / 'errors').read_text()}"
        answer: dict[str, Any] = json.loads(line)
        assert "failed" not in answer, f"{name}: {answer['failed']}"
        if "body" in answer and answer["status"] != _MOVED:
            raise Refused(answer["status"], answer["body"])
        return answer


@contextmanager
def program(clients: Clients, name: str) -> Iterator[Program]:
    """Run a program of ``programs/`` beside the block."""
    with clients.running("python", HERE / "programs" / name) as process:
        yield Program(clients, process)


class Library:
    """saturn_client's ``SaturnConnection``: its methods by their names."""

    def __init__(self, running: Program) -> None:
        self._running = running

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            return self._running.ask(name, *words, named=named)["value"]

        return call


class Operations:
    """saturn_api's operations, by area and name; notes which ones were answered as promised.

    A model stands for its JSON: given as one and returned as one, but parsed on the way by the
    client's strict models. A 2xx that the client has no model for is an error, as it would
    silently return None.
    """

    def __init__(self, running: Program, token: str | None, answered: set[str]) -> None:
        self._running = running
        self._token = token
        self.answered = answered

    def with_token(self, token: str | None) -> "Operations":
        """Return the operations as somebody else calls them; None: nobody who says who it is."""
        return Operations(self._running, token, self.answered)

    def __getattr__(self, area: str) -> "_Area":
        return _Area(self, area)

    def all(self) -> list[str]:
        """Return the names of all operations that the package has."""
        return list(self._running.ask("operations")["value"])

    def call(self, name: str, /, *words: Any, **named: Any) -> Any:
        """Call one operation and return its model as JSON, None where it promises none."""
        answer = self._running.ask(name, *words, named=named, token=self._token)
        promised = answer.get("value") is not None or answer["status"] in (204, _MOVED)
        assert promised, f"{name}: the client does not know {answer['status']}"
        self.answered.add(name)
        return answer.get("value")


class _Area:
    def __init__(self, operations: Operations, name: str) -> None:
        self._operations, self._name = operations, name

    def __getattr__(self, operation: str) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            return self._operations.call(f"{self._name}.{operation}", *words, **named)

        return call
