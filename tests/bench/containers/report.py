"""The result of a run with containers, as a table and as JSON."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.bare import Start
from tests.bench.memory import Memory
from tests.bench.report import AIM_RATIO, columns

BARE, CASSINI = "bare container", "Cassini"
_MEBIBYTE = 1024 * 1024


@dataclass
class Results:
    """All that one run has measured."""

    machine: Mapping[str, Any]
    at_once: int
    size: str = ""
    starts: dict[str, list[Start]] = field(default_factory=dict)
    together: dict[str, float] = field(default_factory=dict)
    """Seconds until ``at_once`` are ready."""
    memory: dict[str, Memory] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def to_json(results: Results) -> str:
    """Return everything measured, every single value of it."""
    return json.dumps(asdict(results), indent=2)


def to_table(results: Results) -> str:
    """Return the page a person reads."""
    about = results.machine
    head = (
        f"{about['cores']} cores of {about['processor']}, Linux {about['kernel']}; load before the "
        f"run {about['load_before']:.2f}, workspace of size {results.size}"
    )
    parts = [head, _starts(results), _together(results), _memory(results)]
    parts += [f"Left out: {reason}" for reason in results.left_out]
    return "\n\n".join(part for part in [*parts, _aim(results)] if part)


def _starts(results: Results) -> str:
    head = ("Start to ready, seconds", "median", "least", "most", "x bare", "least x", "shown")
    rows = [(*head, "x bare")]
    for name, starts in results.starts.items():
        ready, shown = _seconds(results, name, "ready"), _seconds(results, name, "shown")
        rows.append(
            (
                name,
                *(f"{value:.3f}" for value in (statistics.median(ready), min(ready), max(ready))),
                f"{_ratio(results, name, 'ready'):.2f}",
                f"{min(ready) / min(_seconds(results, BARE, 'ready')):.2f}",
                f"{statistics.median(shown):.3f}",
                f"{_ratio(results, name, 'shown'):.2f}",
            )
        )
        count = len(starts)
    note = (
        f"  {count} round(s) in turn after a warm-up. Ready: first 200 of GET /api at the\n"
        "  container's own address. Shown: Cassini says running; JupyterHub's proxy passes it on."
    )
    return f"{columns(rows)}\n{note}"


def _together(results: Results) -> str:
    if not results.together:
        return ""
    rows = [(f"{results.at_once} started at once", "all ready, seconds", "x bare")]
    for name, seconds in results.together.items():
        rows.append((name, f"{seconds:.1f}", f"{seconds / results.together[BARE]:.2f}"))
    note = "  Ready here: bare answers, Cassini says running, JupyterHub's proxy passes it on."
    return f"{columns(rows)}\n{note}"


def _memory(results: Results) -> str:
    if not results.memory:
        return ""
    rows = [("Idle memory, MB (2^20 bytes)", "PSS", "private")]
    each = [*results.memory.items()]
    for name, memory in each:
        rows.append((name, *(f"{size / _MEBIBYTE:.1f}" for size in (memory.pss, memory.private))))
    total = (sum(memory.pss for _, memory in each), sum(memory.private for _, memory in each))
    rows.append(("all", *(f"{size / _MEBIBYTE:.1f}" for size in total)))
    return columns(rows)


def _aim(results: Results) -> str:
    if CASSINI not in results.starts:
        return ""
    ratio = _ratio(results, CASSINI, "ready")
    met = "met" if ratio <= AIM_RATIO else "MISSED"
    return f"Aim: start to ready {ratio:.2f} x bare (aim {AIM_RATIO}): {met}"


def _ratio(results: Results, name: str, what: str) -> float:
    ours, bare = _seconds(results, name, what), _seconds(results, BARE, what)
    return statistics.median(ours) / statistics.median(bare)


def _seconds(results: Results, name: str, what: str) -> list[float]:
    return [getattr(each, what) for each in results.starts[name]]
