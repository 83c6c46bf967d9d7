"""What a service measures its work with, and which service's work runs now.

Several services may run in one process, and one of them may call another's handler. So what runs
belongs to a service by context: its loops, its handlers and its HTTP requests are each begun with
``active``, and ``sending`` and ``stepping`` count for whoever that is.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.catalog import event_type
from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.bus import handled_event
from cassini.runtime.errors import Invalid
from cassini.runtime.inbox import Handler
from cassini.runtime.metrics import ServiceMetrics
from cassini.runtime.ownership import OwnedRow
from cassini.runtime.tracing import NO_TRACER, Kind, Tracer, trace, tracing_with


class Instruments:
    """The metrics and the tracer of one service."""

    def __init__(self, service: ServiceName, otlp_endpoint: str | None = None) -> None:
        """Spans are made only with an endpoint.

        Raises:
            Invalid: there is an endpoint and OpenTelemetry is not installed.
        """
        self.service = service
        self.metrics = ServiceMetrics(service)
        self.tracer = NO_TRACER if otlp_endpoint is None else _tracer(service, otlp_endpoint)

    @contextmanager
    def active(self) -> Iterator[None]:
        """What runs inside is work of this service."""
        token = _active.set(self)
        try:
            with (
                tracing_with(self.tracer),
                structlog.contextvars.bound_contextvars(service=str(self.service)),
            ):
                yield
        finally:
            _active.reset(token)

    def handler(self, handle: Handler) -> Handler:
        """Return the handler of an event that also measures and belongs to the event's trace."""

        async def measured(session: AsyncSession, message: Any) -> None:
            name, cause = event_type(message).name, handled_event.get()
            parent = None if cause is None else cause.traceparent
            fields = {"event_type": name, "resource_id": message.id}
            began, outcome = time.perf_counter(), "failed"
            with self.active(), trace(f"handle {name}", Kind.CONSUMER, parent=parent, **fields):
                try:
                    await handle(session, message)
                    outcome = "done"
                finally:
                    took = time.perf_counter() - began
                    self.metrics.observe("cassini_handler_seconds", took, name, outcome)

        return measured


_active: ContextVar[Instruments | None] = ContextVar("instruments", default=None)


class StepOutcome:
    """How a step ended; whoever takes it says so."""

    SETTLED, FAILED, GIVEN_UP, CLAIM_LOST = "settled", "failed", "given_up", "claim_lost"

    def __init__(self) -> None:
        self.name = self.FAILED


@contextmanager
def stepping(noun: str, row: OwnedRow) -> Iterator[StepOutcome]:
    """Take a step for a row: it belongs to the trace of the row's wish."""
    outcome, began = StepOutcome(), time.perf_counter()
    with trace(
        f"reconcile {noun}", Kind.INTERNAL, parent=row.traceparent, noun=noun, resource_id=row.id
    ) as step:
        try:
            yield outcome
        finally:
            step.tell("cassini.outcome", outcome.name)
            if outcome.name in {outcome.FAILED, outcome.GIVEN_UP}:
                step.fail(outcome.name)
            if (instruments := _active.get()) is not None:
                metrics, took = instruments.metrics, time.perf_counter() - began
                metrics.observe("cassini_step_seconds", took, noun, outcome.name)
                if outcome.name == outcome.CLAIM_LOST:
                    metrics.count("cassini_claims_lost_total", noun)


@contextmanager
def sending(envelope: Envelope) -> Iterator[None]:
    """Send an event: counted as taken, or as failed when an error leaves."""
    outcome = "failed"
    try:
        with _part_of(envelope):
            yield
        outcome = "taken"
    finally:
        if (instruments := _active.get()) is not None:
            instruments.metrics.count("cassini_relay_sends_total", outcome)


@contextmanager
def _part_of(envelope: Envelope) -> Iterator[None]:
    """Make a span only for an event that belongs to a trace: periodic ones would be noise."""
    if envelope.traceparent is None:
        yield
        return
    fields = {"event_type": envelope.type, "resource_id": envelope.subject}
    with trace(f"send {envelope.type}", Kind.CLIENT, parent=envelope.traceparent, **fields):
        yield


def _tracer(service: ServiceName, endpoint: str) -> Tracer:
    try:
        from cassini.runtime.tracing_otlp import OtlpTracer  # noqa: PLC0415 - only when switched on
    except ImportError as error:
        raise Invalid(
            f"otlp_endpoint is set but traces cannot be sent ({error}): install Cassini with its"
            " extra `telemetry`, or unset it",
            code="settings",
        ) from None
    return OtlpTracer(service, endpoint)
