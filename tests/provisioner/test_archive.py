"""Chunks of logs: bounded in every direction, and read by line numbers."""

import random

import pytest
from sqlmodel import select

from cassini.runtime.errors import BackendError
from cassini.runtime.log_source import LogLine
from services.provisioner import archive as module
from services.provisioner.archive import Archive
from services.provisioner.backends.base import Pod, PodPhase
from services.provisioner.models import LogChunk
from services.provisioner.plan import PodName
from services.provisioner.tables import TABLES
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD
from tests.provisioner.world import Claimed


class Kept:
    """An archive, and the backend that it takes from."""

    def __init__(self, database, clock):
        self.database, self.clock = database, clock
        self.backend = ScriptedBackend(clock)
        self.archive = Archive(database, self.backend, clock, days=30)

    async def keep(self, name, lines):
        self.backend.pods[name] = Pod(name, "api", PodPhase.ENDED)
        self.backend.logs[name] = list(lines)
        self.clock.advance(1)
        await self.archive.keep(Claimed(self.database), name)
        await self.backend.remove(name)

    async def texts(self, name, first=0, lines=10_000):
        page = await self.archive.read(name, first=first, lines=lines)
        return None if page is None else [line.text for line in page.lines]

    async def chunks(self):
        async with self.database.read() as session:
            rows = await session.exec(select(LogChunk.pod, LogChunk.first, LogChunk.lines))
            return sorted(tuple(row) for row in rows)


@pytest.fixture
async def kept(database, clock):
    await database.run_sync(TABLES.metadata.create_all)
    return Kept(database, clock)


def pod(attempt=1, workload_id=WORKLOAD):
    return PodName(workload_id, 1, 0, attempt)


def lines(count, text="line"):
    return [LogLine(1000.0 + n, f"{text} {n}") for n in range(count)]


async def test_any_page_of_many_chunks_is_read_as_it_was_printed(kept, monkeypatch):
    monkeypatch.setattr(module, "LINES_OF_A_CHUNK", 64)
    printed = lines(1000)
    await kept.keep(pod(), printed)
    assert len(await kept.chunks()) == 16
    chance = random.Random(3)
    for first, count in ((0, 1000), (0, 1), (999, 5), (63, 2), (1000, 1), (2000, 1), (64, 64)):
        page = await kept.archive.read(pod(), first=first, lines=count)
        assert (page.lines, page.end) == (tuple(printed[first : first + count]), 1000)
    for _ in range(20):
        first, count = chance.randrange(1000), chance.randrange(1, 300)
        assert await kept.texts(pod(), first, count) == [
            line.text for line in printed[first : first + count]
        ]
    assert await kept.texts(pod(), -3, 3) == ["line 997", "line 998", "line 999"]


async def test_wide_lines_make_more_chunks_and_all_are_kept(kept, monkeypatch):
    monkeypatch.setattr(module, "BYTES_OF_A_CHUNK", 1000)
    printed = [LogLine(1.0, letter * 600) for letter in "abc"] + [LogLine(1.0, "d" * 5000)]
    await kept.keep(pod(), printed)
    assert [first for _, first, _ in await kept.chunks()] == [0, 1, 2, 3]
    assert await kept.texts(pod()) == [line.text for line in printed]


async def test_of_a_pod_that_printed_too_much_the_newest_is_kept_under_its_numbers(
    kept, monkeypatch
):
    monkeypatch.setattr(module, "LINES_OF_A_CHUNK", 10)
    monkeypatch.setattr(module, "BYTES_OF_A_POD", 1000)
    await kept.keep(pod(), lines(500))
    page = await kept.archive.read(pod(), first=0, lines=1000)
    assert page.end == 500
    assert page.first > 400
    assert [line.text for line in page.lines] == [f"line {n}" for n in range(page.first, 500)]


async def test_of_a_workload_with_many_pods_the_newest_are_kept(kept, monkeypatch):
    monkeypatch.setattr(module, "PODS_OF_A_WORKLOAD", 3)
    other = pod(workload_id="e" * 32)
    await kept.keep(other, lines(1))
    for attempt in range(1, 6):
        await kept.keep(pod(attempt), lines(1))
    names = {name for name, _, _ in await kept.chunks()}
    assert names == {str(other), *(str(pod(attempt)) for attempt in (3, 4, 5))}


async def test_what_is_too_old_is_forgotten_however_much_it_is(kept, monkeypatch):
    monkeypatch.setattr(module, "LINES_OF_A_CHUNK", 1)
    monkeypatch.setattr(module, "_BATCH", 7)
    await kept.keep(pod(1), lines(30))
    kept.clock.advance(29 * 86400)
    await kept.keep(pod(2), lines(2))
    await kept.archive.forget()
    assert len(await kept.chunks()) == 32
    kept.clock.advance(2 * 86400)
    await kept.archive.forget()
    assert {name for name, _, _ in await kept.chunks()} == {str(pod(2))}
    assert await kept.texts(pod(1)) is None


async def test_taking_in_twice_keeps_once(kept):
    await kept.keep(pod(), lines(5))
    await kept.keep(pod(), lines(5))
    assert await kept.chunks() == [(str(pod()), 0, 5)]


async def test_a_log_that_cannot_be_read_stays_with_the_backend(kept):
    def refuse(point):
        if point == "read_logs before":
            raise BackendError("The disk does not answer.")

    kept.backend.fault = refuse
    with pytest.raises(BackendError):
        await kept.keep(pod(), lines(5))
    assert pod() in kept.backend.pods


async def test_a_pod_that_printed_nothing_leaves_nothing(kept):
    await kept.keep(pod(), [])
    assert await kept.chunks() == []


async def test_chunks_are_small(kept):
    printed = lines(20_000, "the same words again and again")
    await kept.keep(pod(), printed)
    async with kept.database.read() as session:
        contents = (await session.exec(select(LogChunk.content))).all()
    assert sum(map(len, contents)) < sum(len(line.text) for line in printed) / 3
