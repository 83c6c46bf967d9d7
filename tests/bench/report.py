"""The result as a table for people and as JSON for machines."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.bare import Start
from tests.bench.cassini import Steps
from tests.bench.listing import FIRST, Lists, Reading, ratio
from tests.bench.memory import Memory
from tests.bench.pages import PAGE_SIZE

BARE, CASSINI, HUB = "bare jupyter lab", "Cassini", "JupyterHub"
AIM_RATIO = 1.1
AIM_CALL_SECONDS = 0.060
AIM_LIST_RATIO = 5.0
AIM_PAGE_SECONDS = 0.100
AIM_GROWTH = 1.25
_MEBIBYTE = 1024 * 1024
_STEPS: Sequence[tuple[str, Callable[[Steps], float]]] = (
    ("POST answered", lambda each: each.answered),
    ("backend called", lambda each: each.called),
    ("pod prepared, JupyterLab executed", lambda each: each.begun),
    ("GET /api/status is 200", lambda each: each.ready),
    ("workspace is shown as running", lambda each: each.shown),
)


@dataclass
class Results:
    """All that one run has measured."""

    machine: Mapping[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    up_seconds: dict[str, float] = field(default_factory=dict)
    size: str = ""
    starts: dict[str, list[Start]] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)
    idle_seconds: float = 0.0
    memory: dict[str, dict[str, Memory]] = field(default_factory=dict)
    lists: Lists | None = None
    left_out: list[str] = field(default_factory=list)


def machine(data: Path) -> dict[str, Any]:
    """Say what this ran on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": pages,
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": _file_system(data),
        "load_before": os.getloadavg()[0],
    }


def to_json(results: Results) -> str:
    """Return everything measured, every single value of it."""
    return json.dumps({**asdict(results), "aims": dict(_aims(results))}, indent=2)


def to_table(results: Results) -> str:
    """Return the page a person reads."""
    parts = [_head(results), _starts(results), _steps(results), _calls(results), _memory(results)]
    parts += [_side_by_side(results), _at_size(results)]
    parts += [f"Left out: {reason}" for reason in results.left_out]
    verdicts = [f"  {'met   ' if met else 'MISSED'}  {text}" for text, met in _aims(results)]
    parts.append("\n".join(["Aims", *verdicts]) if verdicts else "")
    return "\n\n".join(part for part in parts if part)


def _head(results: Results) -> str:
    about = results.machine
    memory = about["memory_bytes"] / 1024**3
    lines = [
        (
            f"{about['cores']} cores of {about['processor']}, {memory:.0f} GiB, "
            f"Linux {about['kernel']}, Python {about['python']}"
        ),
        f"Data on {about['file_system']}; load before the run {about['load_before']:.2f}",
        ", ".join(f"{name} {version}" for name, version in results.versions.items()),
    ]
    if results.up_seconds:
        times = ", ".join(f"{name} {value:.1f} s" for name, value in results.up_seconds.items())
        lines.append(f"cassini up until ready: {times}; workspace of size {results.size}")
    return "\n".join(lines)


def _starts(results: Results) -> str:
    if not results.starts:
        return ""
    count = len(next(iter(results.starts.values())))
    rows = [("Start to ready, seconds", "median", "least", "most", "x bare", "shown", "x bare")]
    for name, starts in results.starts.items():
        ready = [each.ready for each in starts]
        rows.append(
            (
                name,
                f"{statistics.median(ready):.3f}",
                f"{min(ready):.3f}",
                f"{max(ready):.3f}",
                f"{_ratio(results, name, 'ready'):.2f}",
                f"{_median(starts, 'shown'):.3f}",
                f"{_ratio(results, name, 'shown'):.2f}",
            )
        )
    notes = (
        f"  {count} round(s) in turn after a warm-up. Ready: first 200 of an authenticated GET\n"
        "  /api/status on JupyterLab's own port. Shown: Cassini says running; JupyterHub's proxy\n"
        "  answers the same request."
    )
    return f"{columns(rows)}\n{notes}"


def _steps(results: Results) -> str:
    starts = [each for each in results.starts.get(CASSINI, []) if isinstance(each, Steps)]
    if not starts:
        return ""
    rows = [("Cassini's steps, seconds since POST", "median", "since the last")]
    before = 0.0
    for name, read in _STEPS:
        median = statistics.median(read(each) for each in starts)
        rows.append((name, f"{median:.3f}", f"{median - before:+.3f}"))
        before = median
    return columns(rows)


def _calls(results: Results) -> str:
    calls = sorted(results.calls)
    if not calls:
        return ""
    rows = [
        ("POST sent to backend called, ms", "median", "least", "p90", "most"),
        (
            f"{len(calls)} starts of the workspace",
            *(f"{value * 1000:.1f}" for value in (statistics.median(calls), calls[0])),
            *(f"{value * 1000:.1f}" for value in (_percentile(calls, 0.9), calls[-1])),
        ),
    ]
    note = "  From before the request is sent to the moment in the pod's intent; SQLite, FULL."
    return f"{columns(rows)}\n{note}"


def _memory(results: Results) -> str:
    if not results.memory:
        return ""
    rows = [("Idle memory, MB (2^20 bytes)", "PSS", "private", "RSS", "processes")]
    for when, measured in results.memory.items():
        for name, memory in measured.items():
            sizes = (memory.pss, memory.private, memory.rss)
            cells = (f"{size / _MEBIBYTE:.1f}" for size in sizes)
            rows.append((f"{name}, {when}", *cells, str(memory.processes)))
    note = (
        f"  After {results.idle_seconds:.0f} s idle, one stopped workspace or no server. Aim: PSS."
    )
    return f"{columns(rows)}\n{note}"


def _side_by_side(results: Results) -> str:
    if results.lists is None:
        return ""
    rows = [(f"A list of {FIRST:,} in pages of {PAGE_SIZE}", "pages/s", "p50 ms", "p99 ms")]
    for name, readings in results.lists.side_by_side.items():
        speed = statistics.median(each.per_second for each in readings)
        pages = Reading(tuple(page for each in readings for page in each.pages))
        rows.append((name, f"{speed:.1f}", *_milliseconds(pages)))
    return f"{columns(rows)}\n  Workspaces here, users there (on the hub's own port); in turn."


def _at_size(results: Results) -> str:
    if results.lists is None:
        return ""
    rows = [("One page at size", "total", "p50 ms", "p99 ms")]
    for each in results.lists.at_size:
        same, people = f"{each.database}, the same {FIRST:,}", f"{each.database}, 500 people's"
        rows.append((same, f"{each.total:,}", *_milliseconds(each.same)))
        if each.people is not None:
            rows.append((people, f"{each.total:,}", *_milliseconds(each.people)))
    return columns(rows)


def _milliseconds(reading: Reading) -> tuple[str, str]:
    return f"{reading.quantile(0.5) * 1000:.1f}", f"{reading.quantile(0.99) * 1000:.1f}"


def _aims_of_lists(lists: Lists) -> list[tuple[str, bool]]:
    aims = []
    if {CASSINI, HUB} <= lists.side_by_side.keys():
        times = ratio(lists)
        text = f"list of {FIRST:,}: {times:.1f} x JupyterHub's pages/s (aim {AIM_LIST_RATIO:.0f})"
        aims.append((text, times >= AIM_LIST_RATIO))
    for each in lists.at_size:
        if each.people is not None:
            slowest = each.people.quantile(0.99)
            text = f"{each.database}, {each.total:,}: p99 of a page {slowest * 1000:.0f} ms"
            aims.append(
                (f"{text} (aim {AIM_PAGE_SECONDS * 1000:.0f})", slowest <= AIM_PAGE_SECONDS)
            )
    for database in dict.fromkeys(each.database for each in lists.at_size):
        sizes = {each.total: each.same for each in lists.at_size if each.database == database}
        growth = sizes[max(sizes)].quantile(0.5) / sizes[min(sizes)].quantile(0.5)
        text = f"{database}: the same page costs {growth:.2f} x at {max(sizes):,}"
        aims.append((f"{text} (aim {AIM_GROWTH})", growth <= AIM_GROWTH))
    return aims


def _aims(results: Results) -> list[tuple[str, bool]]:
    aims = []
    if {BARE, CASSINI} <= results.starts.keys():
        ratio = _ratio(results, CASSINI, "ready")
        aims.append((f"start to ready {ratio:.2f} x bare (aim {AIM_RATIO})", ratio <= AIM_RATIO))
    if results.calls:
        median = statistics.median(results.calls)
        text = f"backend called after {median * 1000:.0f} ms (aim {AIM_CALL_SECONDS * 1000:.0f})"
        aims.append((text, median <= AIM_CALL_SECONDS))
    for when, measured in results.memory.items():
        if {CASSINI, HUB} <= measured.keys():
            ours, theirs = measured[CASSINI].pss, measured[HUB].pss
            text = (
                f"idle memory, {when}: {ours / _MEBIBYTE:.0f} MB "
                f"(aim JupyterHub's {theirs / _MEBIBYTE:.0f})"
            )
            aims.append((text, ours <= theirs))
    return aims + (_aims_of_lists(results.lists) if results.lists is not None else [])


def _ratio(results: Results, name: str, what: str) -> float:
    return _median(results.starts[name], what) / _median(results.starts[BARE], what)


def _median(starts: Sequence[Start], what: str) -> float:
    return statistics.median(getattr(each, what) for each in starts)


def _percentile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text, the first one as their head."""
    head, *body = rows
    indented = [head, *((f"  {row[0]}", *row[1:]) for row in body)]
    widths = [max(map(len, column)) for column in zip(*indented, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in indented
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(path: Path) -> str:
    done = subprocess.run(
        ["stat", "--file-system", "--format=%T", path], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "an unknown file system"
