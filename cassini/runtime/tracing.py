"""Traces: which request a piece of work belongs to, followed through services and restarts.

A trace is named as W3C Trace Context says (``traceparent``). An HTTP request begins one; an event's
envelope carries it on, an owned row keeps it until its wish is fulfilled. That much happens always
and costs next to nothing: the log lines of all services carry the same ``trace_id``.

Spans (what began when and ended how) are made only where a ``Tracer`` is at work, see
``tracing_otlp.py``. ``trace`` begins the work for one request, event or row; ``span`` is a part of
the work that runs now.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Protocol, TypeVar

import structlog

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NOT_RECORDED = "00"

T = TypeVar("T")


class Kind(Enum):
    """What a span is to others, in OpenTelemetry's words."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """A piece of work under way."""

    @property
    def traceparent(self) -> str:
        """Its name, for those who go on with it."""

    def rename(self, name: str) -> None:
        """Call it by what is known only now."""

    def tell(self, key: str, value: str | int) -> None:
        """Say something about it."""

    def fail(self, reason: str) -> None:
        """Say that it failed."""


class Tracer(Protocol):
    """Makes spans and sends them off."""

    def span(
        self, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        """Begin a span, of the parent's trace or of a new one; it ends with the context."""

    def close(self) -> None:
        """Send what is not sent yet, for a few seconds at most; it blocks."""


class _NoSpan:
    """Keeps the name and nothing else."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def rename(self, name: str) -> None:
        """Forget it."""

    def tell(self, key: str, value: str | int) -> None:
        """Forget it."""

    def fail(self, reason: str) -> None:
        """Forget it."""


class _NoTracer:
    """Passes on the names of traces and records nothing."""

    @contextmanager
    def span(
        self, _name: str, _kind: Kind, parent: str | None, _attributes: Mapping[str, str]
    ) -> Iterator[Span]:
        """Go on under the parent's name, or under a new one."""
        yield _NoSpan(parent or _new_traceparent())

    def close(self) -> None:
        """Do nothing."""


NO_TRACER: Tracer = _NoTracer()

_tracer: ContextVar[Tracer] = ContextVar("tracer", default=NO_TRACER)
_span: ContextVar[Span | None] = ContextVar("span", default=None)


@contextmanager
def tracing_with(tracer: Tracer) -> Iterator[None]:
    """Let this tracer make the spans of what runs inside."""
    token = _tracer.set(tracer)
    try:
        yield
    finally:
        _tracer.reset(token)


@contextmanager
def trace(name: str, kind: Kind, *, parent: str | None = None, **fields: str) -> Iterator[Span]:
    """Work for the trace of ``parent``, or for a new one where it names none.

    ``fields`` and the trace's id stand in every log line meanwhile; the span has them, too.
    """
    parent = parent if parent is not None and _TRACEPARENT.fullmatch(parent) else None
    with _open(name, kind, parent, fields) as span:
        lines = {"trace_id": trace_id_of(span.traceparent), **fields}
        with structlog.contextvars.bound_contextvars(**lines):
            yield span


@contextmanager
def span(name: str, kind: Kind = Kind.INTERNAL, **fields: str) -> Iterator[Span | None]:
    """Make this a part of what runs now; where that belongs to no trace, nothing is made."""
    around = _span.get()
    if around is None:
        yield None
        return
    with _open(name, kind, around.traceparent, fields) as part:
        yield part


def trace_id_of(traceparent: str) -> str:
    """Return the id (32 hex digits) of the trace that a name belongs to."""
    return traceparent.split("-")[1]


def current_trace_id() -> str | None:
    """Return the id of the trace that the running work belongs to."""
    around = _span.get()
    return None if around is None else trace_id_of(around.traceparent)


def current_traceparent() -> str | None:
    """Return the name under which others go on with the running work."""
    around = _span.get()
    return None if around is None else around.traceparent


async def traced(call: Awaitable[T]) -> T:
    """Wait for a call of something outside; it is a span of the running work."""
    called = call.get_coro() if isinstance(call, asyncio.Task) else call
    with span(getattr(called, "__qualname__", "call"), Kind.CLIENT):
        return await call


@contextmanager
def _open(name: str, kind: Kind, parent: str | None, fields: Mapping[str, str]) -> Iterator[Span]:
    attributes = {f"cassini.{key}": value for key, value in fields.items()}
    with _tracer.get().span(name, kind, parent, attributes) as made:
        token = _span.set(made)
        try:
            yield made
        finally:
            _span.reset(token)


def _new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{_NOT_RECORDED}"
