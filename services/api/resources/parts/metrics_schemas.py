"""Metrics as the contract shows them.

A type that was not asked for, or that cannot be measured here, is null; a pod that nothing is known
of in the time asked for is not in the list.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from cassini.runtime.log_source import PodMetrics
from services.api.resources.models import Workspace
from services.api.resources.pods import PodName, pod_labels
from services.api.wire import WireOut, timestamp

_DECIMALS = 3

Moment = Annotated[str, Field(json_schema_extra={"format": "%Y-%m-%dT%H:%M:%S+00:00"})]


class MetricType(StrEnum):
    """What can be asked for. Nothing measures GPUs yet."""

    CPU = "cpu"
    MEMORY = "memory"
    NETWORK_IN = "network_in"
    NETWORK_OUT = "network_out"
    GPU = "gpu"
    GPU_MEMORY = "gpu_memory"


class MetricStats(WireOut):
    """What the points of a series come to."""

    avg: float
    min: float
    max: float
    last: float


class MetricPoint(WireOut):
    """One value, and when its time began."""

    datetime: Moment
    value: float


class MetricSeries(WireOut):
    """What one pod used."""

    pod_name: str
    labels: dict[str, str]
    stats: MetricStats
    data: list[MetricPoint]

    @classmethod
    def of(cls, row: Workspace, pod_name: str, points: Sequence[tuple[float, float]]) -> Self:
        """Show the points of one pod; there must be one."""
        parts = PodName.parse(pod_name)
        values = [value for _, value in points]
        stats = {
            "avg": sum(values) / len(values),
            "min": min(values),
            "max": max(values),
            "last": values[-1],
        }
        return cls(
            pod_name=pod_name,
            labels=pod_labels(row, parts) if parts else {},
            stats=MetricStats(**{word: round(value, _DECIMALS) for word, value in stats.items()}),
            data=[
                MetricPoint(datetime=timestamp(at), value=round(value, _DECIMALS))
                for at, value in points
            ],
        )


class MetricsOut(WireOut):
    """What the pods of a resource used."""

    cpu: list[MetricSeries] | None = Field(default=None, description="In millicores.")
    memory: list[MetricSeries] | None = Field(
        default=None, description="In bytes: the mean over a point's time."
    )
    network_in: list[MetricSeries] | None = Field(
        default=None, description="Bytes received in a point's time."
    )
    network_out: list[MetricSeries] | None = Field(
        default=None, description="Bytes sent in a point's time."
    )
    gpu: list[MetricSeries] | None = None
    gpu_memory: list[MetricSeries] | None = None

    @classmethod
    def of(cls, row: Workspace, pods: Sequence[PodMetrics], types: Collection[MetricType]) -> Self:
        """Show what is known of a resource's pods, of the types asked for."""
        return cls(**{each.value: _of_type(row, pods, each) for each in types})


def _of_type(
    row: Workspace, pods: Sequence[PodMetrics], wanted: MetricType
) -> list[MetricSeries] | None:
    if wanted in {MetricType.GPU, MetricType.GPU_MEMORY}:
        return None
    known = [(pod.pod_name, pod.series[wanted]) for pod in pods if wanted in pod.series]
    if pods and not known:
        return None
    return [MetricSeries.of(row, name, points) for name, points in known if points]
