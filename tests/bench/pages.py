"""Lists read page by page over one connection that is kept open, each page timed."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.bench.ground import BenchError

PAGE_SIZE = 100
_ANSWER_SECONDS = 60.0


class Listing(Protocol):
    """A list that is there in pages."""

    def walk(self) -> Iterator[float]:
        """Read every page from the first on; yields the seconds of each."""


class _Connection:
    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
        self._headers = headers

    def page(self, path: str, query: dict[str, Any]) -> tuple[float, Any]:
        """Return the seconds until the whole answer was read, and the answer."""
        began = time.perf_counter()
        self._http.request("GET", f"{path}?{urlencode(query)}", headers=self._headers)
        answer = self._http.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise BenchError(f"GET {path} was answered with {answer.status}: {content[:300]!r}")
        return seconds, json.loads(content)


class CassiniWorkspaces:
    """``GET /api/workspaces`` of one owner, by ``next_key``."""

    name = "Cassini"

    def __init__(self, port: int, token: str, expected: int, owner: str | None = None) -> None:
        self._connection = _Connection(port, {"Authorization": f"token {token}"})
        self._query = {"page_size": PAGE_SIZE} | ({"owner": owner} if owner else {})
        self._expected = expected

    def walk(self) -> Iterator[float]:
        """Read every page; yields the seconds of each."""
        query, seen = dict(self._query), 0
        while True:
            seconds, answer = self._connection.page("/api/workspaces", query)
            yield seconds
            seen += len(answer["workspaces"])
            if answer["next_key"] is None:
                break
            query["next_key"] = answer["next_key"]
        _check(self.name, seen, self._expected)


class HubUsers:
    """``GET /hub/api/users`` of JupyterHub, by ``offset``, on the hub's own port."""

    name = "JupyterHub"

    def __init__(self, port: int, token: str, expected: int) -> None:
        accept = "application/jupyterhub-pagination+json"
        headers = {"Authorization": f"token {token}", "Accept": accept}
        self._connection = _Connection(port, headers)
        self._expected = expected

    def walk(self) -> Iterator[float]:
        """Read every page; yields the seconds of each."""
        offset, seen = 0, 0
        while True:
            query = {"offset": offset, "limit": PAGE_SIZE}
            seconds, answer = self._connection.page("/hub/api/users", query)
            yield seconds
            seen += len(answer["items"])
            following = answer["_pagination"]["next"]
            if following is None:
                break
            offset = following["offset"]
        _check(self.name, seen, self._expected)


def _check(name: str, seen: int, expected: int) -> None:
    if seen != expected:
        raise BenchError(f"{name} listed {seen} instead of {expected}")
