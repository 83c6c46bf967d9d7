"""Spans reach a collector over OTLP/HTTP, as parts of the traces they belong to."""

import pytest

from cassini.contracts.resources import ServiceName
from cassini.runtime.instruments import Instruments
from cassini.runtime.tracing import Kind, span, trace
from tests.collector import running_collector

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def collector():
    with running_collector() as collector:
        yield collector


def sent(collector, instruments):
    instruments.tracer.close()
    return {each.name: each for each in collector.spans}


def test_spans_come_with_their_service_their_parents_and_their_fields(collector):
    instruments = Instruments(ServiceName.SECRETS, f"{collector.url}/")
    fields = {"parent": PARENT, "resource_id": "r"}
    with instruments.active(), trace("whole", Kind.SERVER, **fields), span("part"):
        pass
    found = sent(collector, instruments)
    whole, part = found["whole"], found["part"]
    assert (whole.service, part.service) == ("cassini-secrets",) * 2
    assert (whole.trace_id, whole.parent_id) == ("a" * 32, "b" * 16)
    assert (part.trace_id, part.parent_id) == (whole.trace_id, whole.span_id)
    assert whole.attributes == {"cassini.resource_id": "r"}


def test_what_the_caller_does_not_record_is_not_recorded(collector):
    instruments = Instruments(ServiceName.SECRETS, collector.url)
    with instruments.active(), trace("whole", Kind.SERVER, parent=f"{PARENT[:-2]}00") as whole:
        assert whole.traceparent.endswith("-00")
    assert sent(collector, instruments) == {}


def test_an_error_is_told_by_its_class_and_not_by_its_text(collector):
    instruments = Instruments(ServiceName.SECRETS, collector.url)

    def fail():
        with instruments.active(), trace("whole", Kind.SERVER):
            raise ValueError("a-planted-secret")

    with pytest.raises(ValueError, match="planted"):
        fail()
    found = sent(collector, instruments)
    assert found["whole"].failed
    assert "a-planted-secret" not in repr(collector.spans)


def test_a_collector_that_is_away_holds_nobody_up():
    instruments = Instruments(ServiceName.SECRETS, "http://127.0.0.1:9")
    with instruments.active(), trace("whole", Kind.SERVER):
        pass
    instruments.tracer.close()
