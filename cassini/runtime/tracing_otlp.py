"""Spans by OpenTelemetry, sent to a collector by OTLP over HTTP.

Imported only where ``otlp_endpoint`` is set. Each service has a provider of its own, none is
global: the embedded form has five services in one process. Spans are sent from a thread, in
batches; a collector that is away costs spans, never a request.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan

from cassini import __version__
from cassini.contracts.resources import ServiceName
from cassini.runtime.tracing import Kind, Span

_SEND_MILLISECONDS = 3000
_CALL_SECONDS = 5


class OtlpTracer:
    """Makes the spans of one service."""

    def __init__(self, service: ServiceName, endpoint: str) -> None:
        """``endpoint``: the collector's address, ``/v1/traces`` left out."""
        names = {"service.name": f"cassini-{service}", "service.version": __version__}
        self._provider = TracerProvider(resource=Resource.create(names))
        traces = f"{endpoint.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=traces, timeout=_CALL_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("cassini", __version__)

    @contextmanager
    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str]
    ) -> Iterator[Span]:
        """Begin a span; an error that leaves it is told by its class, the log tells the rest."""
        begun = self._tracer.start_span(
            name,
            context=set_span_in_context(NonRecordingSpan(_context_of(parent))),
            kind=SpanKind[kind.value],
            attributes=dict(attributes),
        )
        made = _OtlpSpan(begun)
        try:
            yield made
        except BaseException as error:
            made.fail(type(error).__name__)
            raise
        finally:
            begun.end()

    def close(self) -> None:
        """Send what is not sent yet, for a few seconds at most; it blocks."""
        self._provider.force_flush(_SEND_MILLISECONDS)
        self._provider.shutdown()


class _OtlpSpan:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        context = span.get_span_context()
        flags = int(context.trace_flags)
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, key: str, value: str | int) -> None:
        self._span.set_attribute(key, value)

    def fail(self, reason: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, reason))


def _context_of(parent: str | None) -> SpanContext:
    """Return where a span belongs; none is valid where a new trace begins."""
    if parent is None:
        return SpanContext(0, 0, is_remote=False)
    _version, trace_id, span_id, flags = parent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
