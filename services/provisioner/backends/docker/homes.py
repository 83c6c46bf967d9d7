"""Homes: one volume a workload, and a trash for those that were discarded.

Volumes can be neither renamed nor given other labels, and copying a home takes as long as it is
large. So a home is in the trash while a second, empty volume says so: its labels tell which home
and since when. Discarding makes that mark, recovering removes it; both are one call and safe to
repeat. Homes of a workload are numbered, so that a new one can be made while an old one is in the
trash. Whoever empties the trash removes the home first and its mark afterwards.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.provisioner.backends.docker.engine import Engine, Refused
from services.provisioner.backends.docker.names import WORKLOAD, Names

_NUMBER, _DISCARDED_AT = "cassini.home-number", "cassini.discarded-at"
_HOME, _MARK = "home", "discarded-home"
_NOT_FOUND, _IN_USE = 404, 409
_SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class _Home:
    workload_id: str
    number: int
    discarded_at: float | None


class Homes:
    """The homes of one installation. All calls raise ``BackendError``."""

    def __init__(
        self, engine: Engine, names: Names, days: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._names = names
        self._days = days
        self._clock = clock

    async def make(self, workload_id: str) -> str:
        """Return the name of the volume that is a workload's home, made if there is none."""
        homes = await self._all(workload_id)
        current = _current(homes)
        number = current.number if current else max((h.number for h in homes), default=0) + 1
        return await self._volume(_HOME, workload_id, number)

    async def discard(self, workload_id: str) -> None:
        """Put the home into the trash, if there is one."""
        if current := _current(await self._all(workload_id)):
            now = {_DISCARDED_AT: f"{self._clock():.3f}"}
            await self._volume(_MARK, workload_id, current.number, now)

    async def recover(self, workload_id: str) -> None:
        """Take the newest home back from the trash, if there is no home now."""
        homes = await self._all(workload_id)
        if homes and _current(homes) is None:
            newest = max(homes, key=lambda home: (home.discarded_at or 0.0, home.number))
            await self._remove(self._name(_MARK, workload_id, newest.number))

    async def purge(self) -> None:
        """Remove what has been in the trash for its days, and marks without a home."""
        before = self._clock() - self._days * _SECONDS_PER_DAY
        homes = await self._all(None)
        for home in homes:
            if home.discarded_at is not None and home.discarded_at < before:
                gone = await self._remove(self._name(_HOME, home.workload_id, home.number))
                if gone:
                    await self._remove(self._name(_MARK, home.workload_id, home.number))
        there = {(home.workload_id, home.number) for home in homes}
        for key in (await self._labelled(_MARK, None)).keys() - there:
            await self._remove(self._name(_MARK, *key))

    async def _all(self, workload_id: str | None) -> list[_Home]:
        # The marks first: a home that is recovered in between is then seen in the trash, not twice.
        marks = await self._labelled(_MARK, workload_id)
        homes = await self._labelled(_HOME, workload_id)
        found = []
        for key in sorted(homes):
            mark = marks.get(key)
            found.append(_Home(*key, None if mark is None else float(mark[_DISCARDED_AT])))
        return found

    async def _labelled(
        self, kind: str, workload_id: str | None
    ) -> dict[tuple[str, int], dict[str, str]]:
        selector = self._names.selector(kind, workload_id)
        answer: dict[str, Any] = await self._engine.call(
            lambda client: client.volumes(filters={"label": selector})
        )
        labels = [volume["Labels"] for volume in answer["Volumes"] or ()]
        return {(each[WORKLOAD], int(each[_NUMBER])): each for each in labels}

    async def _volume(
        self, kind: str, workload_id: str, number: int, more: dict[str, str] | None = None
    ) -> str:
        name = self._name(kind, workload_id, number)
        labels = {**self._names.labels(kind, workload_id), _NUMBER: str(number), **(more or {})}
        await self._engine.call(lambda client: client.create_volume(name, labels=labels))
        return name

    async def _remove(self, name: str) -> bool:
        """Remove a volume; False if a container still has it."""
        try:
            await self._engine.call(lambda client: client.remove_volume(name))
        except Refused as error:
            if error.status == _IN_USE:
                return False
            if error.status != _NOT_FOUND:
                raise
        return True

    def _name(self, kind: str, workload_id: str, number: int) -> str:
        return self._names.of_workload(workload_id, f"-{kind}-{number}")


def _current(homes: list[_Home]) -> _Home | None:
    return max((h for h in homes if h.discarded_at is None), key=lambda h: h.number, default=None)
