"""Work belongs to a trace; the trace's name goes on with events and rows, recorded or not."""

import re
import subprocess
import sys

import pytest
import structlog

from cassini.contracts.resources import ServiceName
from cassini.runtime.instruments import Instruments
from cassini.runtime.reconcile import Settled
from cassini.runtime.tracing import (
    Kind,
    current_trace_id,
    current_traceparent,
    span,
    trace,
    traced,
)
from tests.runtime.things import ID, wish

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def test_without_a_parent_a_new_trace_begins():
    with trace("one", Kind.SERVER) as one:
        pass
    with trace("two", Kind.SERVER) as two:
        pass
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", one.traceparent)
    assert one.traceparent != two.traceparent


def test_a_parent_s_trace_goes_on():
    with trace("one", Kind.SERVER, parent=PARENT):
        assert current_trace_id() == "a" * 32
    assert current_traceparent() is None


@pytest.mark.parametrize(
    "text", ["", "x", PARENT.upper(), f"00-{'0' * 32}-{'b' * 16}-01", f"{PARENT}\n", PARENT * 2]
)
def test_what_is_no_name_of_a_trace_is_not_passed_on(text):
    with trace("one", Kind.SERVER, parent=text) as one:
        assert one.traceparent != text
        assert current_trace_id() != "a" * 32


def test_log_lines_name_the_trace_and_the_fields_and_only_meanwhile():
    bound = structlog.contextvars.get_contextvars
    with Instruments(ServiceName.API).active():
        with trace("one", Kind.SERVER, parent=PARENT, resource_id=ID):
            assert bound() == {"service": "api", "trace_id": "a" * 32, "resource_id": ID}
        assert bound() == {"service": "api"}
    assert bound() == {}


async def test_a_part_of_no_trace_makes_none():
    async def call():
        return current_trace_id()

    with span("part") as part:
        assert part is None
    assert await traced(call()) is None


async def test_a_row_keeps_the_trace_of_its_wish_until_it_is_fulfilled(stage):
    found = []

    async def step(claim):
        found.append(current_trace_id())
        return Settled(again=None if len(found) > 1 else 1.0)

    with trace("a request", Kind.SERVER, parent=PARENT):
        await stage.accept(wish(1))
    reconciler = stage.reconciler(step)
    assert (await stage.row()).traceparent == PARENT
    assert await reconciler.reconcile(ID) == 1.0
    assert (await stage.row()).traceparent == PARENT
    await reconciler.reconcile(ID)
    assert (await stage.row()).traceparent is None
    await reconciler.reconcile(ID)
    assert found[:2] == ["a" * 32] * 2
    assert found[2] not in {None, "a" * 32}


def test_where_no_endpoint_is_set_nothing_that_makes_or_sends_spans_is_imported():
    """FastAPI imports OpenTelemetry's words (its api); they do nothing."""
    code = (
        "import sys, services.embedded, services.distributed.run;"
        "sys.exit(any(f'opentelemetry.{name}' in sys.modules for name in ('sdk', 'exporter')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
