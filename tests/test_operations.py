"""The whole platform in one process, looked at as an operator does."""

import re
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from cassini.runtime.clock import SystemClock
from cassini.runtime.metrics import METRICS
from cassini.runtime.settings import PlatformSettings
from cassini.testing.waiting import until
from services.api.people.accounts import create_token
from services.embedded import Platform
from services.places import Places
from services.provisioner.testing import ScriptedBackend
from services.serving import bind
from tests.collector import running_collector
from tests.system.crash.tiny_images import TinyImages

import_module("alembic.command")  # the first start would load it on the event loop, for 0.3 s

PAGE = Path(__file__).parent.parent / "docs/operations.md"
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"

pytestmark = pytest.mark.blocks_loop("a platform starts in it")


@pytest.fixture
def collector():
    with running_collector() as collector:
        yield collector


@pytest.fixture
async def platform(tmp_path, collector):
    listener = bind("127.0.0.1", 0)
    places = Places(tmp_path / "home")
    places.prepare()
    settings = PlatformSettings(
        home=places.home, port=listener.getsockname()[1], otlp_endpoint=collector.url
    )
    images, pods = TinyImages(tmp_path / "images"), ScriptedBackend(SystemClock())
    platform = Platform(settings, places, images=images, pods=pods)
    await platform.start(listener)

    async def ready():
        return (await platform.health()).ready

    await until(ready, seconds=60)
    yield platform
    await platform.stop()


@pytest.fixture
async def client(platform):
    api = platform.api.context
    async with api.database.write() as session:
        token = await create_token(session, api.keys, "admin", now=api.clock.now())
    headers = {"Authorization": f"token {token}"}
    url = f"http://127.0.0.1:{api.settings.port}"
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        yield client


async def started(client):
    """Start a workspace under the trace of ``PARENT``; returns its id when it runs."""
    made = (await client.post("/api/workspaces", json={"name": "one"})).json()["id"]
    url = f"/api/workspaces/{made}"
    answer = await client.post(f"{url}/start", headers={"traceparent": PARENT})
    assert answer.is_success
    assert answer.headers["x-request-id"] == "a" * 32

    async def runs():
        return (await client.get(url)).json()["status"] == "running"

    await until(runs, seconds=30)
    return made


def parents(spans, span):
    """Return the spans from one up to the first, by service and name."""
    by_id = {each.span_id: each for each in spans}
    line = [span]
    while line[-1].parent_id in by_id:
        line.append(by_id[line[-1].parent_id])
    return [(each.service.removeprefix("cassini-"), each.name) for each in reversed(line)]


async def test_one_trace_follows_a_start_to_the_backend_and_back(platform, client, collector):
    made = await started(client)
    for service in platform.services:
        service.instruments.tracer._provider.force_flush()
    spans = [each for each in collector.spans if each.trace_id == "a" * 32]
    (create,) = [each for each in spans if each.name == "ScriptedBackend.create"]
    assert parents(spans, create) == [
        ("api", "POST /api/workspaces/{workspace_id}/start"),
        ("api", "emit workload.declared.v1"),
        ("provisioner", "handle workload.declared.v1"),
        ("provisioner", "reconcile workload"),
        ("provisioner", "ScriptedBackend.create"),
    ]
    names = {(each.service, each.name) for each in spans}
    assert ("cassini-api", "send workload.declared.v1") in names
    assert ("cassini-secrets", "reconcile lease") in names
    assert ("cassini-api", "handle workload.observed.v1") in names
    handled = [each for each in spans if each.name == "handle workload.declared.v1"]
    assert {each.attributes["cassini.resource_id"] for each in handled} == {made}


async def test_every_service_s_metrics_are_told_to_admins_and_are_in_the_table(client):
    await started(client)
    answer = await client.get("/metrics")
    families = list(text_string_to_metric_families(answer.text))
    services = {each.labels["service"] for family in families for each in family.samples}
    assert services == {"api", "scheduler", "secrets", "builder", "provisioner"}
    for family in families:
        metric = METRICS.get(family.name) or METRICS[f"{family.name}_total"]
        assert family.type == metric.kind
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == {"service", *metric.labels}
    requests = next(each for each in families if each.name == "cassini_http_requests")
    routes = {each.labels["route"] for each in requests.samples}
    assert "/api/workspaces/{workspace_id}/start" in routes
    assert "x-request-id" in answer.headers


async def test_metrics_are_not_for_everybody(client):
    client.headers.pop("Authorization")
    assert (await client.get("/metrics")).status_code == 401


async def test_no_address_that_a_caller_makes_up_becomes_a_label(client):
    for path in ("/nowhere/1", "/nowhere/2"):
        await client.get(path)
    await client.request("MADEUP", "/api/status")
    text = (await client.get("/metrics")).text
    assert "nowhere" not in text
    assert "MADEUP" not in text
    assert 'route="unmatched"' in text


async def test_log_lines_of_another_service_name_the_request(platform, client):
    def fail(point):
        if point == "create before":
            raise OSError("no room")

    platform.backend.fault = fail
    made = (await client.post("/api/workspaces", json={"name": "one"})).json()["id"]
    with capture_logs(processors=[merge_contextvars]) as lines:
        await client.post(f"/api/workspaces/{made}/start", headers={"traceparent": PARENT})
        await until(lambda: any(each["event"] == "a step failed" for each in lines))
    line = next(each for each in lines if each["event"] == "a step failed")
    named = {name: line[name] for name in ("service", "trace_id", "resource_id")}
    assert named == {"service": "provisioner", "trace_id": "a" * 32, "resource_id": made}


def test_the_page_has_every_metric_as_it_is():
    rows = re.findall(r"^\| `(cassini_\w+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    said = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert said == {each.name: (each.kind, each.labels) for each in METRICS.values()}
    assert len(rows) == len(said)
