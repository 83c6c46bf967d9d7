"""What a service counts and measures, for Prometheus: one table, one registry a service.

``METRICS`` is every metric there is; ``docs/operations.md`` says what each one means and what to
do when it rises. Labels take few values (types of events, nouns, templates of addresses), never
an id. Counters and histograms are kept here; what lies in a database is looked up at each
scrape (``scrape.py``), so nothing is told of a database that does not answer.
"""

from dataclasses import dataclass
from typing import Literal

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram

from cassini.contracts.resources import ServiceName

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody reads them


@dataclass(frozen=True)
class Metric:
    """A metric; all have the label ``service``, too."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _SHORT


METRICS = {
    metric.name: metric
    for metric in (
        Metric("gauge", "cassini_build_info", "Always 1; the label says the release", ("version",)),
        Metric("gauge", "cassini_ready", "1 when the service can do its work now, else 0"),
        Metric(
            "counter",
            "cassini_loop_restarts_total",
            "How often a background loop failed and was started again",
            ("loop",),
        ),
        Metric("gauge", "cassini_outbox_pending", "Events in the outbox that are not sent yet"),
        Metric(
            "gauge",
            "cassini_outbox_oldest_seconds",
            "Age of the oldest event that is not sent yet; 0 when there is none",
        ),
        Metric(
            "gauge",
            "cassini_outbox_dead_letters",
            "Events that their reader gave up, kept in the outbox for a person",
        ),
        Metric(
            "counter",
            "cassini_relay_sends_total",
            "Events the relay has sent: taken, or failed and tried again",
            ("outcome",),
        ),
        Metric(
            "gauge",
            "cassini_broker_queue_messages",
            "Messages in a queue of this service at the broker; `<service>.dead`: given up",
            ("queue",),
        ),
        Metric(
            "histogram",
            "cassini_handler_seconds",
            "Time a handler of an event took, its commit left out",
            ("event_type", "outcome"),
        ),
        Metric(
            "gauge",
            "cassini_workqueue_waiting",
            "Rows that are due and wait for a free worker of this replica",
            ("noun",),
        ),
        Metric(
            "gauge",
            "cassini_due_oldest_seconds",
            "For how long the row that is due longest has been due; 0 when none is",
            ("noun",),
        ),
        Metric(
            "histogram",
            "cassini_step_seconds",
            "Time a step of the reconciler took, with what it asked the outside",
            ("noun", "outcome"),
            _LONG,
        ),
        Metric(
            "counter",
            "cassini_claims_lost_total",
            "Steps whose row somebody else had taken over at their end",
            ("noun",),
        ),
        Metric(
            "gauge",
            "cassini_resources_pending",
            "Resources that were started and do not run yet",
            ("kind",),
        ),
        Metric(
            "gauge",
            "cassini_resource_pending_quiet_seconds",
            "For how long there was no news of a pending resource, the longest; 0 when none is",
            ("kind",),
        ),
        Metric(
            "counter",
            "cassini_http_requests_total",
            "Requests answered, by the route's template",
            ("method", "route", "status"),
        ),
        Metric(
            "histogram",
            "cassini_http_request_seconds",
            "Time until an answer began",
            ("method", "route"),
        ),
        Metric(
            "counter",
            "cassini_scrape_errors_total",
            "Values that could not be looked up at a scrape, within 2 seconds or at all",
            ("source",),
        ),
    )
}


class ServiceMetrics:
    """The counters and histograms of one service."""

    def __init__(self, service: ServiceName) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS.values():
            names, registry = ("service", *metric.labels), self.registry
            if metric.kind == "counter":
                made = Counter(metric.name, metric.meaning, names, registry=registry)
                self._counters[metric.name] = made
            elif metric.kind == "histogram":
                self._histograms[metric.name] = Histogram(
                    metric.name, metric.meaning, names, registry=registry, buckets=metric.buckets
                )

    def count(self, name: str, *labels: str) -> None:
        """Count one; the labels in the order of the table."""
        self._counters[name].labels(str(self.service), *labels).inc()

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add a measured time; the labels in the order of the table."""
        self._histograms[name].labels(str(self.service), *labels).observe(seconds)
