import asyncio
import errno
import os

import pytest

from cassini.runtime.errors import BackendError
from services.builder.logs import BuildLog, clean_line

ID = "0" * 31


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "build-logs"


def texts(lines):
    return [line.text for line in lines]


async def test_lines_are_read_from_an_offset_as_they_come(folder):
    log = BuildLog(folder, ID + "1")
    await log.write("first")
    chunk = await log.read()
    await log.write("second")
    rest = await log.read(chunk.offset)
    assert texts(chunk.lines) == ["first"]
    assert texts(rest.lines) == ["second"]
    assert rest.lines[0].at >= chunk.lines[0].at > 1_700_000_000
    assert (await log.read(rest.offset)).lines == ()


async def test_the_last_lines_are_read(folder):
    log = BuildLog(folder, ID + "1")
    for number in range(5):
        await log.write(str(number))
    assert texts(await log.tail(2)) == ["3", "4"]
    assert await log.tail(0) == ()


async def test_a_text_of_several_lines_becomes_several_lines(folder):
    log = BuildLog(folder, ID + "1")
    await log.write("why\n  because")
    assert texts(await log.tail(9)) == ["why", "  because"]


async def test_a_log_nobody_wrote_is_empty(folder):
    log = BuildLog(folder, ID + "1")
    assert await log.tail(3) == ()
    assert (await log.read(99)).lines == ()
    await log.remove()


async def test_colours_control_characters_and_passwords_are_left_out():
    said = "\x1b[1;31mred\x1b[0m\x1b]0;title\x07 a\tb\x00 https://me:secret@example.org/x"
    assert clean_line(said) == "red a b https://***@example.org/x"


async def test_a_full_log_says_so_once_and_stays_bounded(folder):
    log = BuildLog(folder, ID + "1", max_bytes=2000)
    for _ in range(100):
        await log.write("x" * 200)
    lines = texts(await log.tail(1000))
    assert lines[-1] == "The log is full: further lines are left out."
    assert sum("full" in line for line in lines) == 1
    assert (folder / f"{ID}1.log").stat().st_size < 2500


async def test_the_next_build_starts_over_when_the_log_is_full_else_goes_on(folder):
    log = BuildLog(folder, ID + "1", max_bytes=2000)
    await log.write("short")
    await log.begin()
    assert texts(await log.tail(9)) == ["short"]
    before = await log.read()
    for _ in range(20):
        await log.write("x" * 200)
    full = await log.read(before.offset)
    await log.begin()
    await log.write("again")
    assert texts((await log.read(full.offset)).lines) == ["again"]


async def test_only_the_newest_logs_are_kept(folder):
    for number in range(5):
        log = BuildLog(folder, f"{ID}{number}", keep=3)
        await log.begin()
        await log.write("line")
        os.utime(folder / f"{ID}{number}.log", (number, number))
    assert [f"{ID}{number}.log" for number in (2, 3, 4)] == sorted(
        path.name for path in folder.iterdir()
    )


async def test_a_torn_last_line_is_not_read_before_its_end(folder):
    log = BuildLog(folder, ID + "1")
    await log.write("whole")
    with (folder / f"{ID}1.log").open("ab") as file:
        file.write(b"2026-01-31T10:00")
    assert texts((await log.read()).lines) == ["whole"]


async def test_writers_at_the_same_time_do_not_mix_lines(folder):
    logs = [BuildLog(folder, ID + "1") for _ in range(4)]
    await asyncio.gather(*(log.write(str(n) * 500) for n, log in enumerate(logs)))
    assert {str(n) * 500 for n in range(4)} == set(texts(await logs[0].tail(9)))


async def test_a_full_disk_is_said_clearly(folder, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    log = BuildLog(folder, ID + "1")
    await log.begin()
    monkeypatch.setattr("services.builder.logs.os.write", no_room)
    with pytest.raises(BackendError, match="disk is full"):
        await log.write("line")


@pytest.mark.parametrize("image_id", ["", "../x", "0" * 31, "A" * 32, "0" * 33])
def test_only_an_image_id_names_a_log(folder, image_id):
    with pytest.raises(ValueError, match="image id"):
        BuildLog(folder, image_id)
