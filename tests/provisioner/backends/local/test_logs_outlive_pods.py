"""Real pods: whoever reads while they print, end and are removed gets every line once."""

import asyncio
import random

import pytest

from cassini.testing.waiting import until
from services.provisioner.archive import Archive
from services.provisioner.logs import PodLogs
from services.provisioner.tables import TABLES
from tests.provisioner.backends.local.machine import ended
from tests.provisioner.world import Claimed

LINES = 20_000

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def archive_of(database, clock):
    await database.run_sync(TABLES.metadata.create_all)
    return lambda backend: Archive(database, backend, clock, days=30)


async def test_a_reader_that_pages_while_the_pod_is_removed_gets_each_line_once(
    machine, archive_of, database
):
    backend = await machine.backend(log_bytes=100_000, log_files=20)
    archive = archive_of(backend)
    logs = PodLogs(backend, archive)
    plan = machine.plan(f"seq 0 {LINES - 1}; printf 'the end'; exit 3")
    name = str(plan.name)
    found, removed = [], asyncio.Event()

    async def read():
        chance, first = random.Random(1), 0
        while True:
            last_look = removed.is_set()
            page = await logs.pod_log_page(name, first=first, lines=chance.randrange(1, 900))
            assert page.first == first
            found.extend(line.text for line in page.lines)
            first = page.next
            if last_look and not page.more:
                return
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    await archive.keep(Claimed(database), plan.name)
    await backend.remove(plan.name)
    assert not machine.places.attempt(plan.name).exists()
    removed.set()
    async with asyncio.timeout(60):
        await reading
    assert found == [*map(str, range(LINES)), "the end"]


async def test_what_was_live_is_word_for_word_in_the_archive(machine, archive_of, database):
    backend = await machine.backend()
    archive = archive_of(backend)
    logs = PodLogs(backend, archive)
    plan = machine.plan("head -c 300000 /dev/urandom; echo; printf 'grün\\tblau\\r\\n\\nlast'")
    name = str(plan.name)
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    page = await logs.pod_log_page(name, first=0, lines=100_000)
    tail = await logs.pod_logs(name, previous=False, lines=20)
    await archive.keep(Claimed(database), plan.name)
    await backend.remove(plan.name)
    assert await logs.pod_log_page(name, first=0, lines=100_000) == page
    assert await logs.pod_logs(name, previous=False, lines=20) == tail
    assert [line.text for line in tail][-3:] == ["grün\tblau\r", "", "last"]


async def test_a_line_without_its_end_is_shown_and_is_whole_when_the_pod_has_ended(
    machine, archive_of
):
    backend = await machine.backend()
    logs = PodLogs(backend, archive_of(backend))
    plan = machine.plan("printf 'name: '; while [ ! -e ~/go ]; do sleep 0.02; done")
    name = str(plan.name)
    await backend.create(plan, {})
    await until(lambda: logs.pod_logs(name, previous=False, lines=5), seconds=20)
    assert (await logs.pod_log_page(name, first=0, lines=5)).lines == ()
    (machine.places.home(plan.name.workload_id) / "go").touch()
    await machine.pod(backend, plan.name, ended)
    (line,) = (await logs.pod_log_page(name, first=0, lines=5)).lines
    assert line.text == "name: "
