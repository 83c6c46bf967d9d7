"""Logs and metrics over HTTP, for services that run in processes of their own.

One table names the four questions; the asking side and the answering side are both made from it,
so they cannot drift apart. Requests are signed (``request_signing.py``). A service that cannot be
reached, or that cannot answer now, is a ``BackendError`` as it is in one process.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cassini.runtime.errors import BackendError, CassiniError, Unauthenticated
from cassini.runtime.log_source import LogLine, LogPage, PodMetrics
from cassini.runtime.request_signing import RequestSigner, RequestVerifier

_PREFIX = "/internal/"
_SECONDS = 30.0
_LINES, _PAGE = TypeAdapter(list[LogLine]), TypeAdapter(LogPage)
_METRICS = TypeAdapter(list[PodMetrics])


@dataclass(frozen=True)
class _PodLogs:
    pod_name: str
    previous: bool
    lines: int


@dataclass(frozen=True)
class _PodLogPage:
    pod_name: str
    first: int
    lines: int


@dataclass(frozen=True)
class _BuildLogs:
    image_id: str
    lines: int


@dataclass(frozen=True)
class _Metrics:
    workload_id: str
    start: float
    end: float
    step: float


_ANSWERS: Mapping[str, tuple[type[Any], TypeAdapter[Any]]] = {
    "pod_logs": (_PodLogs, _LINES),
    "pod_log_page": (_PodLogPage, _PAGE),
    "build_logs": (_BuildLogs, _LINES),
    "metrics": (_Metrics, _METRICS),
}
"""Question (a method of ``LogSource``) -> what it is asked with, and what comes back."""
_POSITIONAL = ("pod_name", "image_id", "workload_id")


class HttpLogSource:
    """Asks the provisioner and the builder (a ``LogSource``)."""

    def __init__(self, pods: "Peer", builds: "Peer") -> None:
        self._pods = pods
        self._builds = builds

    async def pod_logs(self, pod_name: str, *, previous: bool, lines: int) -> list[LogLine]:
        """Return the last lines a pod printed."""
        found: list[LogLine] = await self._pods.ask("pod_logs", _PodLogs(pod_name, previous, lines))
        return found

    async def pod_log_page(self, pod_name: str, *, first: int, lines: int) -> LogPage:
        """Return up to so many lines that a pod printed, from line ``first`` on."""
        page: LogPage = await self._pods.ask("pod_log_page", _PodLogPage(pod_name, first, lines))
        return page

    async def build_logs(self, image_id: str, *, lines: int) -> list[LogLine]:
        """Return the last lines of an image's build."""
        found: list[LogLine] = await self._builds.ask("build_logs", _BuildLogs(image_id, lines))
        return found

    async def metrics(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return what the pods of a workload used."""
        asked = _Metrics(workload_id, start, end, step)
        found: list[PodMetrics] = await self._pods.ask("metrics", asked)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._pods.close()
        await self._builds.close()


class Peer:
    """Another service, as this one asks it."""

    def __init__(self, name: str, url: str, signer: RequestSigner) -> None:
        self._name = name
        self._signer = signer
        self._http = httpx.AsyncClient(base_url=url, timeout=_SECONDS, trust_env=False)

    async def ask(self, question: str, asked: object) -> Any:
        """Return the answer to one question of the table.

        Raises:
            BackendError: there is none now.
        """
        target = f"{_PREFIX}{question}?{urlencode({'asked': json.dumps(vars(asked))})}"
        headers = {"Authorization": self._signer.sign("GET", target)}
        try:
            reply = await self._http.get(target, headers=headers)
        except httpx.HTTPError as error:
            raise BackendError(f"the {self._name} cannot be reached: {error!r}") from error
        if reply.status_code != HTTPStatus.OK:
            raise BackendError(f"the {self._name} does not answer: {_message(reply)}")
        return _ANSWERS[question][1].validate_json(reply.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def log_routes(source: object, verifier: RequestVerifier) -> list[Route]:
    """Return the routes under which a service answers those questions that it has methods for."""
    questions = [name for name in _ANSWERS if hasattr(source, name)]
    return [
        Route(f"{_PREFIX}{name}", _endpoint(getattr(source, name), *_ANSWERS[name], verifier))
        for name in questions
    ]


def _endpoint(
    method: Callable[..., Any],
    asked_with: type[Any],
    answer: TypeAdapter[Any],
    verifier: RequestVerifier,
) -> Callable[[Request], Any]:
    read = TypeAdapter(asked_with)

    async def respond(request: Request) -> Response:
        target = f"{request.url.path}?{request.url.query}"
        try:
            verifier.check("GET", target, request.headers.get("authorization", ""))
            asked = vars(read.validate_json(request.query_params.get("asked", "")))
            subject = [asked.pop(name) for name in _POSITIONAL if name in asked]
            found = await method(*subject, **asked)
        except Unauthenticated as error:
            return _refusal(HTTPStatus.UNAUTHORIZED, error.message, error.code)
        except ValidationError:
            return _refusal(HTTPStatus.BAD_REQUEST, "the question cannot be read", "invalid")
        except CassiniError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, error.code)
        return Response(answer.dump_json(found), media_type="application/json")

    return respond


def _refusal(status: HTTPStatus, message: str, code: str) -> Response:
    return JSONResponse({"message": message, "code": code}, status)


def _message(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {reply.status_code}"
