"""Logs and metrics asked of another service: what comes back, and who may ask."""

import httpx
import pytest
from nacl.public import PrivateKey
from starlette.applications import Starlette

from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import BackendError, Unauthenticated
from cassini.runtime.log_source import LogLine, LogPage, PodMetrics
from cassini.runtime.log_source_http import HttpLogSource, Peer, log_routes
from cassini.runtime.request_signing import RequestSigner, RequestVerifier

API, ASKED, STRANGER = PrivateKey.generate(), PrivateKey.generate(), PrivateKey.generate()
NAME = "0" * 32 + "-1-0-1"


class Pods:
    """What the provisioner has of a log source; ``away`` says why it cannot answer."""

    away = None

    async def pod_logs(self, pod_name, *, previous, lines):
        if self.away:
            raise BackendError(self.away)
        return [LogLine(1.5, f"{pod_name} {previous} {lines}"), LogLine(None, "ü\u2028")]

    async def pod_log_page(self, pod_name, *, first, lines):
        return LogPage(first, (LogLine(2.0, pod_name),) * lines, 100)

    async def metrics(self, workload_id, *, start, end, step):
        return [PodMetrics(workload_id, {"cpu": ((start, step), (end, step))})]


class Builds:
    async def build_logs(self, image_id, *, lines):
        return [LogLine(3.0, f"{image_id} {lines}")]


def signer(clock, private=API):
    return RequestSigner(ServiceName.API, private, ASKED.public_key, clock)


def verifier(clock):
    return RequestVerifier([ASKED], [(ServiceName.API, API.public_key)], clock)


def peer(source, clock, signed_by=None):
    made = Peer("provisioner", "http://there", signed_by or signer(clock))
    app = Starlette(routes=log_routes(source, verifier(clock)))
    made._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://there")
    return made


@pytest.fixture
async def logs(clock):
    source = HttpLogSource(peer(Pods(), clock), peer(Builds(), clock))
    yield source
    await source.close()


async def test_answers_come_back_as_they_were_given(logs):
    assert await Pods().pod_logs(NAME, previous=True, lines=7) == await logs.pod_logs(
        NAME, previous=True, lines=7
    )
    assert await Pods().pod_log_page(NAME, first=-3, lines=2) == await logs.pod_log_page(
        NAME, first=-3, lines=2
    )
    assert await Builds().build_logs("i", lines=5) == await logs.build_logs("i", lines=5)
    asked = {"start": 1.0, "end": 2.5, "step": 0.5}
    assert await Pods().metrics("w", **asked) == await logs.metrics("w", **asked)


async def test_a_service_that_cannot_answer_says_why(logs, monkeypatch):
    monkeypatch.setattr(Pods, "away", "the engine is away")
    with pytest.raises(BackendError, match="provisioner does not answer: the engine is away"):
        await logs.pod_logs(NAME, previous=False, lines=1)


async def test_a_service_that_is_not_there_is_named(clock):
    away = Peer("builder", "http://127.0.0.1:9", signer(clock))
    source = HttpLogSource(away, away)
    with pytest.raises(BackendError, match="builder cannot be reached"):
        await source.build_logs("i", lines=1)
    await source.close()


async def test_a_service_answers_only_what_it_has(clock):
    source = HttpLogSource(peer(Builds(), clock), peer(Builds(), clock))
    with pytest.raises(BackendError, match="404"):
        await source.pod_logs(NAME, previous=False, lines=1)
    await source.close()


async def test_a_stranger_gets_no_answer(clock):
    asking = peer(Pods(), clock, signed_by=signer(clock, STRANGER))
    source = HttpLogSource(asking, asking)
    with pytest.raises(BackendError, match="not signed"):
        await source.pod_logs(NAME, previous=False, lines=1)
    await source.close()


@pytest.mark.parametrize("header", ["", "Cassini", "Cassini api", "Cassini api:x:y", "Bearer abc"])
def test_what_is_no_signature_is_refused(clock, header):
    with pytest.raises(Unauthenticated):
        verifier(clock).check("GET", "/internal/pod_logs?asked=1", header)


def test_a_signature_is_for_one_question_and_one_minute(clock):
    header = signer(clock).sign("GET", "/a?b=1")
    verifier(clock).check("GET", "/a?b=1", header)
    for method, target in (("GET", "/a?b=2"), ("POST", "/a?b=1")):
        with pytest.raises(Unauthenticated):
            verifier(clock).check(method, target, header)
    later = header.replace(f":{clock.now():.0f}:", f":{clock.now() + 1:.0f}:")
    with pytest.raises(Unauthenticated):
        verifier(clock).check("GET", "/a?b=1", later)
    clock.advance(61)
    with pytest.raises(Unauthenticated):
        verifier(clock).check("GET", "/a?b=1", header)


def test_an_old_key_beside_the_new_one_still_counts(clock):
    new = PrivateKey.generate()
    both = RequestVerifier(
        [new, ASKED],
        [(ServiceName.API, STRANGER.public_key), (ServiceName.API, API.public_key)],
        clock,
    )
    both.check("GET", "/a?b=1", signer(clock).sign("GET", "/a?b=1"))
