"""Samples become series: one value a bucket, of processor time, memory and network. Pure.

Buckets begin at multiples of the step. What a count rose by between two samples is spread evenly
over the time between them, so every bucket gets its part and nothing is lost or counted twice,
whatever the distance of the samples. A count that is lower than before has begun again from zero.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Points: TypeAlias = tuple[tuple[float, float], ...]
"""(Unix seconds at which a bucket begins, value), oldest first; buckets without a value are out."""
Reading: TypeAlias = tuple[float, float]
"""(Unix seconds, what was read then)."""

_MILLICORES = 1000


@dataclass(frozen=True)
class Sample:
    """What a pod had used at a moment (Unix seconds); None where that was not measured."""

    at: float
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None


@dataclass(frozen=True)
class Buckets:
    """The buckets from the one that ``start`` falls in to ``end``; times are in Unix seconds."""

    start: float
    end: float
    step: float

    def numbered(self, since: float, until: float) -> Iterator[tuple[int, float]]:
        """Yield each bucket that a time reaches into: (its number, seconds of the time in it)."""
        since = max(since, self.start // self.step * self.step)
        until = min(until, self.end)
        number = int(since // self.step)
        while number * self.step < until:
            yield number, min(until, (number + 1) * self.step) - max(since, number * self.step)
            number += 1

    def points(self, values: Mapping[int, float]) -> Points:
        """Return the values of buckets by their number as points."""
        return tuple((number * self.step, values[number]) for number in sorted(values))


@dataclass
class _Part:
    """What falls into one bucket, and how much of its time is known of."""

    amount: float = 0.0
    seconds: float = 0.0


def series_of(samples: Sequence[Sample], buckets: Buckets) -> dict[str, Points]:
    """Return the series of one pod by name; one that was never measured is not among them.

    ``cpu`` is in millicores, over the part of a bucket that is known of; ``memory`` in bytes, the
    mean of a bucket's samples; ``network_in`` and ``network_out`` in bytes a bucket. ``samples``
    are in the order of their times.
    """
    read: dict[str, tuple[Callable[[Sample], float | None], _Summary]] = {
        "cpu": (lambda sample: sample.cpu_seconds, _rates),
        "memory": (lambda sample: sample.memory_bytes, _means),
        "network_in": (lambda sample: sample.received_bytes, _amounts),
        "network_out": (lambda sample: sample.sent_bytes, _amounts),
    }
    found = {}
    for name, (value, summary) in read.items():
        readings = [(each.at, got) for each in samples if (got := value(each)) is not None]
        if readings:
            found[name] = buckets.points(summary(readings, buckets))
    return found


_Summary: TypeAlias = Callable[[Sequence[Reading], Buckets], Mapping[int, float]]


def _rates(readings: Sequence[Reading], buckets: Buckets) -> Mapping[int, float]:
    parts = _spread(readings, buckets).items()
    return {number: part.amount / part.seconds * _MILLICORES for number, part in parts}


def _amounts(readings: Sequence[Reading], buckets: Buckets) -> Mapping[int, float]:
    return {number: part.amount for number, part in _spread(readings, buckets).items()}


def _means(readings: Sequence[Reading], buckets: Buckets) -> Mapping[int, float]:
    inside: defaultdict[int, list[float]] = defaultdict(list)
    first = int(buckets.start // buckets.step)
    for at, value in readings:
        if at < buckets.end and (number := int(at // buckets.step)) >= first:
            inside[number].append(value)
    return {number: sum(values) / len(values) for number, values in inside.items()}


def _spread(readings: Sequence[Reading], buckets: Buckets) -> Mapping[int, _Part]:
    parts: defaultdict[int, _Part] = defaultdict(_Part)
    for since, until, rise in _rises(readings):
        for number, seconds in buckets.numbered(since, until):
            parts[number].amount += rise * seconds / (until - since)
            parts[number].seconds += seconds
    return parts


def _rises(readings: Sequence[Reading]) -> Iterator[tuple[float, float, float]]:
    """Yield (from, until, what a count rose by) between readings."""
    before: Reading | None = None
    for at, value in readings:
        if before is not None:
            if at <= before[0]:
                continue
            yield before[0], at, value - before[1] if value >= before[1] else value
        before = (at, value)
