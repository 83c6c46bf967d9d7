"""From samples to series: every bucket gets its part, and nothing is lost or doubled."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.provisioner.metric_series import Buckets, Sample, series_of


def cpu(*readings):
    return [Sample(at, cpu_seconds=value) for at, value in readings]


def received(*readings):
    return [Sample(at, received_bytes=value) for at, value in readings]


CASES = {
    "a core in full use is a thousand millicores": (
        "cpu",
        cpu((0, 0.0), (15, 15.0), (30, 30.0)),
        Buckets(0, 30, 15),
        ((0, 1000.0), (15, 1000.0)),
    ),
    "what was used between two samples is spread over the time between them": (
        "network_in",
        received((0, 0), (60, 600)),
        Buckets(0, 60, 15),
        ((0, 150.0), (15, 150.0), (30, 150.0), (45, 150.0)),
    ),
    "buckets begin at multiples of the step": (
        "network_in",
        received((0, 0), (60, 600)),
        Buckets(20, 60, 15),
        ((15, 150.0), (30, 150.0), (45, 150.0)),
    ),
    "a bucket that is half known has the rate of that half": (
        "cpu",
        cpu((5, 0.0), (10, 5.0)),
        Buckets(0, 30, 15),
        ((0, 1000.0),),
    ),
    "what lies across an end counts for the part inside": (
        "network_in",
        received((0, 0), (100, 1000)),
        Buckets(30, 75, 15),
        ((30, 150.0), (45, 150.0), (60, 150.0)),
    ),
    "the end cuts a bucket": (
        "network_in",
        received((0, 0), (100, 1000)),
        Buckets(0, 20, 15),
        ((0, 150.0), (15, 50.0)),
    ),
    "a count that went down began again from zero": (
        "network_in",
        received((0, 500), (15, 900), (30, 20)),
        Buckets(0, 30, 15),
        ((0, 400.0), (15, 20.0)),
    ),
    "samples of one moment count once": (
        "network_in",
        received((0, 0), (15, 100), (15, 100), (30, 300)),
        Buckets(0, 30, 15),
        ((0, 100.0), (15, 200.0)),
    ),
    "a sample without the reading is stepped over": (
        "network_in",
        [*received((0, 0)), Sample(15), *received((30, 300))],
        Buckets(0, 30, 15),
        ((0, 150.0), (15, 150.0)),
    ),
    "one sample alone tells nothing of a count": ("cpu", cpu((5, 3.0)), Buckets(0, 30, 15), ()),
    "memory is the mean of a bucket's samples": (
        "memory",
        [Sample(at, memory_bytes=held) for at, held in ((0, 100), (15, 200), (30, 600))],
        Buckets(0, 60, 30),
        ((0, 150.0), (30, 600.0)),
    ),
    "memory has no point where no sample is": (
        "memory",
        [Sample(at, memory_bytes=held) for at, held in ((-1, 9), (0, 1), (45, 2), (60, 9))],
        Buckets(0, 60, 15),
        ((0, 1.0), (45, 2.0)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_series(case):
    name, samples, buckets, expected = CASES[case]
    assert series_of(samples, buckets) == {name: expected}


def test_what_was_never_measured_is_not_there():
    assert series_of([], Buckets(0, 60, 15)) == {}
    assert series_of([Sample(0), Sample(15)], Buckets(0, 60, 15)) == {}


def counts(values):
    """Samples at rising times with any counts, those of counters that began again too."""
    at = st.floats(0, 1e5, allow_nan=False).map(lambda seconds: 1.8e9 + seconds)
    times = st.lists(at, min_size=2, max_size=30, unique=True).map(sorted)
    return times.flatmap(
        lambda known: st.lists(values, min_size=len(known), max_size=len(known)).map(
            lambda amounts: list(zip(known, amounts, strict=True))
        )
    )


def rise(readings):
    return sum(
        now - before if now >= before else now for (_, before), (_, now) in pairwise(readings)
    )


@given(counts(st.integers(0, 10**12)), st.integers(15, 86400))
def test_the_bytes_of_all_buckets_are_the_bytes_that_were_counted(readings, step):
    buckets = Buckets(readings[0][0], readings[-1][0], max(step, 100))
    points = series_of(received(*readings), buckets)["network_in"]
    assert math.isclose(sum(value for _, value in points), rise(readings), rel_tol=1e-6)
    assert [at % buckets.step for at, _ in points] == [0] * len(points)
    assert all(value >= 0 for _, value in points)


@given(counts(st.integers(0, 10**12)), st.floats(0, 1), st.integers(100, 5000))
def test_a_time_cut_in_two_has_the_bytes_of_the_whole(readings, part, step):
    first, last = readings[0][0] // step * step, readings[-1][0]
    middle = first + int((last - first) * part / step) * step

    def total(start, end):
        points = series_of(received(*readings), Buckets(start, end, step))["network_in"]
        return sum(value for _, value in points)

    halves = total(first, middle) + total(middle, last)
    assert math.isclose(halves, total(first, last), rel_tol=1e-6, abs_tol=1e-3)


@given(counts(st.floats(0, 1e6)), st.integers(100, 5000))
def test_no_rate_is_higher_than_the_highest_between_two_samples(readings, step):
    rates = [
        (now - before if now >= before else now) / (until - since) * 1000
        for (since, before), (until, now) in pairwise(readings)
    ]
    points = series_of(cpu(*readings), Buckets(readings[0][0], readings[-1][0], step))["cpu"]
    assert all(value <= max(rates) * (1 + 1e-6) for _, value in points)
