"""Every service in a process of its own answers Prometheus on its internal port, and only there."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cassini.contracts.resources import ServiceName
from tests.system.platform import free_port
from tests.system.waiting import until


def values(text):
    families = text_string_to_metric_families(text)
    return {
        (sample.name, sample.labels.get("queue")): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.postgres
@pytest.mark.rabbitmq
@pytest.mark.timeout(300)
def test_every_service_tells_its_own_and_the_api_s_public_port_tells_nothing(installation):
    port = free_port()
    waiting = installation.start(ServiceName.SECRETS)
    until(lambda: waiting.probe("live")[0] == httpx.codes.OK, "the first probe", seconds=60)
    assert values(waiting.metrics())["cassini_ready", None] == 0  # its tables are not there yet
    installation.command("migrate")
    for name in ServiceName:
        if name is not ServiceName.SECRETS:
            installation.start(name, port=port)
    for replica in installation.replicas:
        replica.wait_ready()
        found = values(replica.metrics())
        assert found["cassini_ready", None] == 1
        assert ("cassini_outbox_pending", None) in found
        queues = {queue for name, queue in found if name == "cassini_broker_queue_messages"}
        assert all(queue.startswith(f"{replica.name}.") for queue in queues)
        assert (f"{replica.name}.dead" in queues) == (replica.name is not ServiceName.SCHEDULER)
        assert not any(name == "cassini_scrape_errors_total" for name, _ in found)
    public = f"http://127.0.0.1:{port}/metrics"
    assert httpx.get(public, trust_env=False).status_code == httpx.codes.NOT_FOUND
