"""People who start and stop small servers without pause, and what they were promised.

Each person has servers of their own and asks for one thing at a time. An answer that is lost
leaves open whether the request was taken, so it is asked again until it is: what was accepted
last is what must be true in the end.
"""

import random
import threading
import time
from dataclasses import dataclass, field

import httpx

from tests.system.client import Client
from tests.system.small_server import small_server

_AGAIN_SECONDS = 0.5
RUNNING, STOPPED = "running", "stopped"
_VERBS = {"start": RUNNING, "stop": STOPPED, "restart": RUNNING}


@dataclass
class Server:
    """One workspace, and what its person was promised."""

    id: str
    wanted: str = STOPPED
    accepted: list[tuple[float, str]] = field(default_factory=list)
    """(Unix seconds, verb) of every request that was answered with success."""
    asked: int = 0
    """How many requests that raise a revision were sent, lost answers included."""


class Person(threading.Thread):
    """Works on servers until told to pause or to end."""

    def __init__(self, client: Client, servers: list[Server], *, pause: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.servers = servers
        self.problems: list[str] = []
        self._client = client
        self._pause = pause
        self._random = random.Random(seed)
        self._go = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._end = False

    def run(self) -> None:
        """Ask for one thing after the other."""
        while not self._end:
            if not self._go.wait(timeout=0.2):
                self._idle.set()
                continue
            self._idle.clear()
            self._ask(self._random.choice(self.servers))
            time.sleep(self._random.uniform(0, 2 * self._pause))

    def go(self) -> None:
        """Begin, or go on."""
        self._go.set()

    def pause(self) -> None:
        """Ask for nothing more; returns when the last request was answered."""
        self._go.clear()
        assert self._idle.wait(timeout=300), "a request was not answered for 300 s"

    def end(self) -> None:
        """Go home."""
        self._end = True
        self._go.clear()
        self.join(timeout=60)

    def _ask(self, server: Server) -> None:
        choices = ["stop", "restart"] if server.wanted == RUNNING else ["start"]
        verb = self._random.choice(choices)
        while not self._end:
            server.asked += verb != "stop"
            if self._accepted(server, verb):
                server.accepted.append((time.time(), verb))
                server.wanted = _VERBS[verb]
                return
            time.sleep(_AGAIN_SECONDS)

    def _accepted(self, server: Server, verb: str) -> bool:
        try:
            answer = self._client.http.post(f"/api/workspaces/{server.id}/{verb}")
        except httpx.HTTPError:
            return False
        if answer.is_success:
            return True
        if not answer.is_server_error:
            self.problems.append(f"{verb} {server.id}: {answer.status_code} {answer.text}")
            return True  # asking again would say the same
        return False


class Load:
    """All people; ``pause`` is how many seconds each waits between two requests on average."""

    def __init__(self, client: Client, *, people: int, each: int, pause: float, seed: int) -> None:
        self.client = client
        self.servers = [
            Server(client.create(f"drill-{seed}-{number}", **small_server()))
            for number in range(people * each)
        ]
        self.people = [
            Person(
                client,
                self.servers[start * each : (start + 1) * each],
                pause=pause,
                seed=seed + start,
            )
            for start in range(people)
        ]
        for person in self.people:
            person.start()

    def go(self) -> None:
        """Let everybody work."""
        for person in self.people:
            person.go()

    def pause(self) -> None:
        """Let everybody finish what they asked for."""
        for person in self.people:
            person.pause()

    def end(self) -> None:
        """Send everybody home."""
        for person in self.people:
            person.end()

    def problems(self) -> list[str]:
        """Return refusals, of which there must be none."""
        return [problem for person in self.people for problem in person.problems]
