"""``…/metrics``: what the pods of a resource used, of any kind that has pods.

The samples lie with the provisioner and are read through the log source, outside any transaction;
nothing is decided by them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BeforeValidator

from cassini.runtime.errors import Invalid
from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.resources.parts.metrics_schemas import MetricsOut, MetricType
from services.api.resources.parts.mounting import Cluster, Find

_MOST_POINTS, _USUAL_POINTS = 1000, 120
_USUAL_RANGE = 3600.0
_FINEST, _COARSEST = 15, 24 * 3600
"""What is measured, and a day."""
_RESOLUTIONS = (
    *(_FINEST, 30, 60, 120, 180, 300, 600, 900, 1800),
    *(hours * 3600 for hours in (1, 2, 3, 6, 12, 24)),
)
_DURATION = re.compile(r"^([0-9]{1,9})([smhd]?)$", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def _is_moment(text: object) -> object:
    if isinstance(text, str) and not _MOMENT.match(text):
        raise ValueError("write a date and a time, such as 2026-01-31T12:00:00Z")
    return text


Moment = Annotated[datetime, BeforeValidator(_is_moment)]
"""A date and time; pydantic alone would read any number as one."""


@dataclass(frozen=True)
class MetricsQuery:
    """What is asked for; times are in Unix seconds."""

    types: Sequence[MetricType]
    start: float
    end: float
    step: int


def metrics_query(
    api: ContextDep,
    metric: Annotated[
        MetricType | None, Query(alias="type", description="Only this type; by default all.")
    ] = None,
    start: Annotated[
        Moment | None, Query(description="By default one hour before the end; UTC without zone.")
    ] = None,
    end: Annotated[Moment | None, Query(description="By default now; UTC without a zone.")] = None,
    resolution: Annotated[
        str | None,
        Query(
            max_length=16,
            json_schema_extra={"pattern": _DURATION.pattern},
            description="Seconds between points, or 30s, 5m, 2h, 1d; by default about 100 points.",
        ),
    ] = None,
    cluster: Cluster = None,  # noqa: ARG001 - in the contract
) -> MetricsQuery:
    """Read what a query string asks for.

    Raises:
        Invalid: the end is not after the start, or the resolution is none, or too many points.
    """
    until = api.clock.now() if end is None else _seconds(end)
    since = until - _USUAL_RANGE if start is None else _seconds(start)
    if since >= until:
        raise Invalid(
            "the start must lie before the end (which is now, if not given)", code="bad_period"
        )
    step = _usual_step(until - since) if resolution is None else _step(resolution)
    if (until - since) / step > _MOST_POINTS:
        raise Invalid(_too_many(until - since), code="too_many_points")
    return MetricsQuery(tuple(MetricType) if metric is None else (metric,), since, until, step)


MetricsQueryDep = Annotated[MetricsQuery, Depends(metrics_query)]


def metrics_router(kind: str, find: Find) -> APIRouter:
    """Return the route ``/api/<kind>s/{<kind>_id}/metrics``."""
    router = APIRouter(tags=[f"{kind}s"])
    own_id = f"{kind}_id"

    @router.get(
        f"/api/{kind}s/{{{own_id}}}/metrics",
        name=f"get_{kind}_metrics",
        openapi_extra=access(Action.VIEW),
    )
    async def get_metrics(
        api: ContextDep,
        caller: CallerDep,
        query: MetricsQueryDep,
        resource_id: Annotated[str, Path(alias=own_id)],
    ) -> MetricsOut:
        """Show what the resource's pods used: processor, memory, network."""
        async with api.database.read() as session:
            row = await find(session, caller, Action.VIEW, resource_id)
        pods = await api.log_source.metrics(
            row.id, start=query.start, end=query.end, step=query.step
        )
        return MetricsOut.of(row, pods, query.types)

    return router


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _usual_step(seconds: float) -> int:
    fitting = (step for step in _RESOLUTIONS if seconds / step <= _USUAL_POINTS)
    return next(fitting, _COARSEST)


def _step(resolution: str) -> int:
    match = _DURATION.fullmatch(resolution)
    step = int(match[1]) * _UNITS[match[2]] if match else 0
    if not _FINEST <= step <= _COARSEST:
        raise Invalid(
            f"the resolution is a number of seconds, or one like 30s, 5m or 2h; "
            f"it lies between {_FINEST} seconds and a day",
            code="bad_resolution",
        )
    return step


def _too_many(seconds: float) -> str:
    smallest = max(_FINEST, -int(-seconds // _MOST_POINTS))
    if smallest > _COARSEST:
        return f"at most {_MOST_POINTS} days can be asked for at once"
    return (
        f"that would be more than {_MOST_POINTS} points: "
        f"the smallest resolution for this time is {smallest}s"
    )
