"""What pods print is kept line by line with its time, bounded, and there at once."""

import os
import random
import resource
import time
from contextlib import contextmanager

import pytest

from services.provisioner.backends.local.log_files import read_log
from services.provisioner.backends.local.shim.log import Log
from services.provisioner.backends.local.start import spawn
from services.provisioner.lines import LONGEST_LINE_BYTES
from tests.provisioner.backends.local.machine import printed, ran, until

ALL = 1_000_000


class Pod:
    """A pod's output, as its shim takes it in: ``says`` is one read of it."""

    def __init__(self, folder, size=1000, count=3):
        self.folder = folder
        self._source, self._sink = os.pipe()
        os.set_blocking(self._source, False)
        self._log = Log(str(folder / "log"), size, count)

    def says(self, data: bytes) -> None:
        os.write(self._sink, data)
        assert self._log.copy(self._source)

    def page(self, first=0, lines=ALL, *, unended=False):
        return read_log(self.folder, first=first, lines=lines, unended=unended)

    def texts(self, first=0, lines=ALL, *, unended=False):
        return [line.text for line in self.page(first, lines, unended=unended).lines]

    def files(self):
        return sorted(path.name for path in self.folder.glob("log*"))

    def close(self):
        os.close(self._source)
        os.close(self._sink)


@pytest.fixture
def pod(tmp_path):
    pod = Pod(tmp_path)
    yield pod
    pod.close()


@contextmanager
def room_for(size):
    """Let no file grow beyond a size: as on a full disk, a write is cut short or fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_every_line_has_the_time_at_which_it_began(pod):
    began = time.time()
    pod.says(b"one\ntw")
    between = time.time()
    until(lambda: time.time() > between + 0.01)
    pod.says(b"o\nthree\n")
    one, two, three = pod.page().lines
    assert [line.text for line in (one, two, three)] == ["one", "two", "three"]
    assert began - 0.001 <= one.at == two.at <= between + 0.001
    assert two.at < three.at <= time.time() + 0.001


def test_a_line_without_its_end_waits_unless_it_is_asked_for(pod):
    pod.says(b"done\nname: ")
    assert pod.texts() == ["done"]
    assert pod.page().end == 1
    assert pod.texts(unended=True) == ["done", "name: "]
    pod.says(b"ada\n")
    assert pod.texts(first=1) == ["name: ada"]


def test_however_it_is_cut_into_reads_the_lines_are_the_same(tmp_path):
    chance = random.Random(7)
    text = "".join(f"line {n} {'x' * chance.randrange(90)}\n" for n in range(2000))
    text = text.replace("line 5", "\n")
    pod = Pod(tmp_path, size=5000, count=1000)
    left = text.encode()
    while left:
        size = chance.randrange(1, 500)
        pod.says(left[:size])
        left = left[size:]
    assert len(pod.files()) > 10
    assert pod.texts() == text.split("\n")[:-1]
    pod.close()


def test_old_files_go_and_the_lines_left_keep_their_numbers(pod):
    for number in range(1000):
        pod.says(f"{number}\n".encode())
    page = pod.page()
    assert len(pod.files()) == 3
    assert sum((pod.folder / name).stat().st_size for name in pod.files()) < 3 * 1100
    assert (page.end, page.next, page.more) == (1000, 1000, False)
    assert page.first > 800
    assert [line.text for line in page.lines] == [str(n) for n in range(page.first, 1000)]
    assert pod.texts(first=990, lines=4) == ["990", "991", "992", "993"]
    assert pod.texts(first=-2, lines=2) == ["998", "999"]
    assert pod.texts(first=1000) == pod.texts(first=5000) == []
    assert pod.page(first=0, lines=1).lines[0].text == str(page.first)


def test_a_file_is_begun_at_a_lines_end(pod):
    pod.says(b"a" * 999 + b"\n" + b"b" * 10)
    pod.says(b"b\nc\n")
    assert pod.files() == ["log.0", "log.2"]
    assert pod.texts() == ["a" * 999, "b" * 11, "c"]


def test_a_line_longer_than_a_file_is_broken_so_that_the_log_stays_bounded(pod):
    for _ in range(100):
        pod.says(b"x" * 500)
    assert sum((pod.folder / name).stat().st_size for name in pod.files()) < 3 * 2600
    assert set("".join(pod.texts(unended=True))) == {"x"}
    pod.says(b"\nlast\n")
    assert pod.texts()[-1] == "last"


def test_of_a_long_line_the_beginning_is_read_and_how_much_more_there_is(tmp_path):
    pod = Pod(tmp_path, size=10**6)
    pod.says(b"short\n")
    for _ in range(10):
        pod.says(b"y" * 6000)
    pod.says(b"\nafter\n")
    before, long, after = pod.texts()
    assert (before, after) == ("short", "after")
    more = 60_000 - LONGEST_LINE_BYTES
    assert long == "y" * LONGEST_LINE_BYTES + f" … [{more} bytes more]"
    pod.close()


def test_what_is_no_text_is_kept_and_shown_as_far_as_it_can_be(pod):
    pod.says(bytes(range(256)) + b"\n\n\r\n\x1b[31mred\x1b[0m\n" + "grün".encode())
    first, rest, empty, carriage, red = pod.texts()[:5]
    assert (first, empty, carriage, red) == (
        "".join(map(chr, range(10))),
        "",
        "\r",
        "\x1b[31mred\x1b[0m",
    )
    assert "�" in rest
    assert pod.texts(unended=True)[-1] == "grün"


def test_a_full_disk_costs_whole_lines_and_the_log_tells_so(pod):
    pod.says(b"before\nhalf of ")
    with room_for(40):  # nothing fits after "1800000000.123 before\n…"
        pod.says(b"a line\nlost\n" + b"lost\n" * 50)
        pod.says(b"lost too\n")
    pod.says(b"after\nand on\n")
    gap = "[Lines are missing here: they could not be written.]"
    assert pod.texts() == ["before", "half of ", gap, "after", "and on"]
    assert all(line.at is not None for line in pod.page().lines)


def test_a_log_that_cannot_be_begun_is_begun_later(pod):
    (pod.folder / "log.0").mkdir()
    pod.says(b"lost\n")
    (pod.folder / "log.0").rmdir()
    pod.says(b"kept\n")
    assert pod.texts()[-1] == "kept"


def test_where_there_is_no_folder_there_is_no_log(tmp_path):
    assert read_log(tmp_path / "gone", first=0, lines=1, unended=False) is None
    assert read_log(tmp_path, first=-5, lines=5, unended=True).lines == ()


def test_a_pods_log_is_rotated_and_its_last_word_kept(order, tmp_path):
    end = ran({**order, "script": "for i in $(seq 1 400); do echo line $i; done; exit 3"})
    assert end["exit_code"] == 3
    lines = printed(tmp_path).splitlines()
    assert lines[-1] == "line 400"
    assert lines == [f"line {n}" for n in range(401 - len(lines), 401)]


def test_a_line_is_in_the_log_within_a_second(order, tmp_path):
    order["script"] = "echo first; exec sleep 1000"
    spawn(order, "test")
    began = time.monotonic()
    until(lambda: printed(tmp_path) == "first\n")
    assert time.monotonic() - began < 1.0
