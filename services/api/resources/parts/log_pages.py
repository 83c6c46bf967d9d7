"""Pages over the logs of many pods as if they were one, the pods in the order of their starts.

A place is a line of a pod, by its number. Lines keep their numbers while a pod ends and is removed,
so whoever pages meanwhile gets each line once; and of each pod only the lines are read that the
page shows, and one more, which tells whether there is a next page.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cassini.runtime.log_source import LogLine, LogPage
from services.api.page_keys import PageAsked, PageEnds
from services.api.resources.models import PodRecord

ReadLog = Callable[[str, int, int], Awaitable[LogPage]]
"""Reads a pod's lines: its name, the first line (negative: from the end), how many lines."""


class Place(NamedTuple):
    """A line of a pod that began at this moment."""

    began_at: float
    pod: str
    line: int


@dataclass(frozen=True)
class Printed:
    """One line, and where it stands."""

    place: Place
    line: LogLine


@dataclass(frozen=True)
class LinesPage(PageEnds):
    """Lines that follow each other, oldest first."""

    lines: Sequence[Printed]


async def page_of_lines(
    pods: Sequence[PodRecord], asked: PageAsked, *, order: str, read: ReadLog
) -> LinesPage:
    """Return the page that a client asks for, of pods that are given oldest first.

    Raises:
        Invalid: the key is not one that a list of this order gave out.
    """

    def key(place: Place) -> str:
        return asked.keys.make(order, place)

    if asked.prev_key:
        end = Place(*asked.keys.read(order, asked.prev_key))
        found = await _before(pods, end, asked.size + 1, read)
        lines = found[-asked.size :]
        earlier = lines[0].place if len(found) > asked.size else None
        return LinesPage(earlier and key(earlier), key(end), lines)
    start = Place(*asked.keys.read(order, asked.next_key)) if asked.next_key else None
    found = await _from(pods, start, asked.size + 1, read)
    lines, rest = found[: asked.size], found[asked.size :]
    first = lines[0].place if lines else start
    return LinesPage(
        key(first) if start and first else None, key(rest[0].place) if rest else None, lines
    )


async def _from(
    pods: Sequence[PodRecord], start: Place | None, count: int, read: ReadLog
) -> list[Printed]:
    """Return so many lines from a place on, or from the beginning."""
    found: list[Printed] = []
    for pod in pods:
        if start and _place(pod, 0)[:2] < start[:2]:
            continue
        first = start.line if start and start.pod == pod.name else 0
        found += _placed(pod, await read(pod.name, first, count - len(found)))
        if len(found) >= count:
            break
    return found


async def _before(
    pods: Sequence[PodRecord], end: Place, count: int, read: ReadLog
) -> list[Printed]:
    """Return so many lines that stand before a place."""
    found: list[Printed] = []
    for pod in reversed(pods):
        left = count - len(found)
        if _place(pod, 0)[:2] > end[:2]:
            continue
        if pod.name != end.pod:
            page = await read(pod.name, -left, left)
        elif end.line:
            first = max(end.line - left, 0)
            page = await read(pod.name, first, end.line - first)
        else:
            continue
        found = [*(each for each in _placed(pod, page) if each.place < end), *found]
        if len(found) >= count:
            break
    return found


def _place(pod: PodRecord, line: int) -> Place:
    return Place(pod.started_at, pod.name, line)


def _placed(pod: PodRecord, page: LogPage) -> list[Printed]:
    return [Printed(_place(pod, page.first + n), line) for n, line in enumerate(page.lines)]
