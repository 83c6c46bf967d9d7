"""Lines of many pods as one list: nothing twice, nothing left out, and no more read than shown."""

import pytest

from cassini.runtime.errors import Invalid
from cassini.runtime.log_source import LogLine, LogPage
from services.api.page_keys import PageAsked, PageKeys
from services.api.resources.models import PodRecord
from services.api.resources.parts.log_pages import page_of_lines

KEYS = PageKeys(b"k" * 32)


class Logs:
    """Pods that have printed so many lines each, read as the provisioner reads them."""

    def __init__(self, **counts):
        self.pods = [
            PodRecord(name=name, workload_id="w", status="running", started_at=n, last_seen=n)
            for n, name in enumerate(counts)
        ]
        self.lines = {name: [f"{name} {n}" for n in range(c)] for name, c in counts.items()}
        self.dropped = dict.fromkeys(counts, 0)
        self.reads = []

    async def read(self, name, first, lines):
        self.reads.append((name, lines))
        log = self.lines[name]
        first = max(first + len(log) if first < 0 else first, self.dropped[name])
        found = tuple(LogLine(None, text) for text in log[first : first + lines])
        return LogPage(first, found, len(log))

    async def page(self, *, order="logs", **asked):
        return await page_of_lines(self.pods, PageAsked(KEYS, **asked), order=order, read=self.read)

    async def forwards(self, size, **start):
        found, key = [], start.get("next_key", "")
        while key is not None:
            page = await self.page(size=size, next_key=key)
            found.append(page)
            key = page.next_key
        return found

    async def backwards(self, size, key):
        found = []
        while key is not None:
            page = await self.page(size=size, prev_key=key)
            found.insert(0, page)
            key = page.prev_key
        return found

    def all(self):
        return [text for pod in self.pods for text in self.lines[pod.name]]


def texts(pages):
    return [each.line.text for page in pages for each in page.lines]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
async def test_forwards_and_backwards_every_line_comes_once(size):
    logs = Logs(a=3, b=0, c=7, d=0, e=1)
    pages = await logs.forwards(size)
    assert texts(pages) == logs.all()
    assert all(len(page.lines) == size for page in pages[:-1])
    assert pages[0].prev_key is None
    if len(pages) > 1:
        back = await logs.backwards(size, pages[-1].prev_key)
        assert texts([*back, pages[-1]]) == logs.all()


async def test_the_page_before_the_next_page_is_this_page():
    logs = Logs(a=5, b=5)
    first, second, *_ = await logs.forwards(4)
    back = await logs.page(size=4, prev_key=second.prev_key)
    assert texts([back]) == texts([first])
    assert texts([await logs.page(size=4, next_key=back.next_key)]) == texts([second])


async def test_a_page_reads_its_lines_and_one_more():
    logs = Logs(a=100_000, b=100_000)
    page = await logs.page(size=50)
    assert logs.reads == [("a", 51)]
    logs.reads.clear()
    await logs.page(size=50, next_key=page.next_key)
    assert logs.reads == [("a", 51)]


async def test_lines_that_come_meanwhile_are_at_the_end():
    logs = Logs(a=4)
    page = await logs.page(size=3)
    logs.lines["a"] += ["a 4", "a 5"]
    assert texts(await logs.forwards(3, next_key=page.next_key)) == ["a 3", "a 4", "a 5"]


async def test_where_the_beginning_is_not_kept_any_more_the_list_begins_later():
    logs = Logs(a=10, b=4)
    logs.dropped["a"] = 6
    assert texts(await logs.forwards(3)) == logs.all()[6:]
    last = (await logs.forwards(3))[-1]
    assert texts([*await logs.backwards(3, last.prev_key), last]) == logs.all()[6:]


async def test_what_is_dropped_while_somebody_reads_is_left_out_and_nothing_comes_twice():
    logs = Logs(a=10)
    page = await logs.page(size=3)
    logs.dropped["a"] = 7
    assert texts(await logs.forwards(3, next_key=page.next_key)) == ["a 7", "a 8", "a 9"]
    assert texts([await logs.page(size=3, prev_key=page.next_key)]) == []


async def test_a_pod_that_is_forgotten_meanwhile_is_passed_over():
    logs = Logs(a=4, b=2)
    page = await logs.page(size=3)
    del logs.pods[0]
    assert texts(await logs.forwards(3, next_key=page.next_key)) == ["b 0", "b 1"]


async def test_a_key_of_another_list_is_refused():
    logs = Logs(a=4)
    page = await logs.page(size=3)
    for asked in ({"next_key": page.next_key}, {"prev_key": page.next_key}):
        with pytest.raises(Invalid):
            await logs.page(order="other logs", **asked)


async def test_without_pods_there_are_no_lines():
    page = await Logs().page()
    assert (page.lines, page.prev_key, page.next_key) == ([], None, None)
