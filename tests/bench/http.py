"""HTTP on this machine as the measurements need it: no redirects, no proxies, no reuse."""

import http.client
import json
import time
from typing import Any

from tests.bench.ground import POLL_SECONDS, BenchError, Child

_ANSWER_SECONDS = 30.0


def request(
    port: int,
    method: str,
    path: str,
    token: str | None = None,
    body: Any = None,
    *,
    host: str = "127.0.0.1",
) -> tuple[int, Any]:
    """Return status and JSON of one request; status 0 where nobody listens."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"token {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, None


def expect(port: int, method: str, path: str, token: str, body: Any = None) -> Any:
    """Return the JSON of a request that must work.

    Raises:
        BenchError: it did not.
    """
    status, content = request(port, method, path, token, body)
    if not 200 <= status < 300:
        raise BenchError(f"{method} {path} was answered with {status}: {content}")
    return content


def first_ok(
    port: int, path: str, token: str, *, seconds: float, process: Child, step: float = POLL_SECONDS
) -> float:
    """Ask until the answer is 200 and return when that was, in seconds since the epoch.

    Raises:
        BenchError: it was not in time, or the process ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        status, _ = request(port, "GET", path, token)
        now = time.time()
        if status == 200:
            return now
        if time.monotonic() > deadline:
            raise BenchError(
                f"{process.name} did not answer {path} with 200 within {seconds:.0f} s "
                f"(last: {status})"
            )
        process.check()
        time.sleep(step)
