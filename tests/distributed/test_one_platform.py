"""Services in processes of their own are one platform, and none of them is needed twice over."""

import pytest

from cassini.contracts.resources import ServiceName
from tests.distributed.installation import Installation
from tests.system.platform import free_port
from tests.system.small_server import small_server
from tests.system.waiting import until

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.rabbitmq,
    pytest.mark.jupyter,
    pytest.mark.xdist_group("jupyter"),
    pytest.mark.timeout(400),
]


def started(installation: Installation) -> int:
    """Start one replica of each service; returns the api's port."""
    installation.command("migrate")
    port = free_port()
    for name in ServiceName:
        installation.start(name, port=port)
    for replica in installation.replicas:
        replica.wait_ready()
    return port


def could_start(http) -> bool:
    return bool(http.http.get("/health/platform").status_code == 200)


def test_a_server_starts_prints_and_stops(installation):
    http = installation.client(started(installation))
    until(lambda: could_start(http), "the platform", seconds=120)
    workspace = http.create("one", **small_server())
    http.do("start", workspace)
    http.wait_for(workspace, "running")

    def printed() -> bool:
        logs = http.ask("GET", f"/api/workspaces/{workspace}/logs")["logs"]
        return f"hello from {workspace}" in [line["content"] for line in logs]

    until(printed, "what it printed")
    http.do("stop", workspace)
    http.wait_for(workspace, "stopped")
    assert [0] * len(ServiceName) == installation.end()


def test_two_of_each_and_every_one_killed_in_turn(installation):
    port = started(installation)
    for name in ServiceName:
        installation.start(name).wait_ready()
    http = installation.client(port)
    until(lambda: could_start(http), "the platform", seconds=120)
    first = {replica.name: replica for replica in reversed(installation.replicas)}
    second = {replica.name: replica for replica in installation.replicas}
    for name in ServiceName:
        workspace = http.create(f"before-{name}", **small_server())
        http.do("start", workspace)
        if name is ServiceName.API:
            second[name].kill()
        else:
            first[name].kill()
        http.wait_for(workspace, "running", seconds=90)
        http.do("stop", workspace)
        http.wait_for(workspace, "stopped", seconds=90)


def test_a_service_says_what_it_waits_for(installation):
    scheduler = installation.start(ServiceName.SCHEDULER)
    until(lambda: scheduler.probe("live")[0] == 200, "a live process")
    until(lambda: "cassini migrate" in scheduler.probe("ready")[1], "the reason")
    assert 503 == scheduler.probe("ready")[0]
    installation.command("migrate", "scheduler")
    scheduler.wait_ready()
    assert 0 == scheduler.end()
