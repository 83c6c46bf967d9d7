"""Memory and processor time of a process, as the kernel counts them."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ground import processes


@dataclass(frozen=True)
class Memory:
    """Sums over processes, in bytes.

    PSS counts a shared page in parts, so other Pythons on the machine make it a little smaller;
    private is what would be free again if the processes ended.
    """

    pss: int
    private: int
    rss: int
    processes: int


def measure(pid: int) -> Memory:
    """Return what a process and its descendants use now."""
    family = [pid, *_descendants(pid)]
    counted = [numbers for each in family if (numbers := _rollup(each))]
    return Memory(
        pss=sum(numbers["Pss"] for numbers in counted),
        private=sum(numbers["Private_Clean"] + numbers["Private_Dirty"] for numbers in counted),
        rss=sum(numbers["Rss"] for numbers in counted),
        processes=len(counted),
    )


def _descendants(pid: int) -> list[int]:
    children = defaultdict(list)
    for each in processes():
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children[int(fields[1])].append(each)
    found, waiting = [], list(children[pid])
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def _rollup(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    fields = (line.split() for line in lines)
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields}


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
