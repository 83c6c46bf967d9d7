import pytest

from cassini.runtime.log_source import LogLine
from services.provisioner.lines import read_line, write_line


@pytest.mark.parametrize(
    "line",
    [
        LogLine(1_800_000_000.123, "plain text"),
        LogLine(1_800_000_000.0, ""),
        LogLine(None, "nobody noted the time"),
        LogLine(None, "1800000000.123 looks like a time"),
        LogLine(1_800_000_000.5, "\r\x00\x1b[0m grün ♥ \ufffd"),
    ],
)
def test_a_line_that_was_kept_is_read_as_it_was(line):
    kept = write_line(line)
    assert kept.endswith(b"\n")
    assert kept.count(b"\n") == 1
    assert read_line(kept[:-1]) == line


def test_of_a_long_line_only_so_much_is_read_and_that_is_kept_whole():
    raw = b"1800000000.123 " + b"x" * 100_000
    assert len(read_line(raw).text) == 100_000
    cut = read_line(raw, longest=1000)
    assert cut.text == "x" * 1000 + " … [99000 bytes more]"
    assert read_line(write_line(cut)[:-1]) == cut


@pytest.mark.parametrize("raw", [b"18000", b"nan x", b"1e9 x", b"", b"-", b"1800000000.12 x"])
def test_what_has_no_time_is_all_text(raw):
    assert read_line(raw) == LogLine(None, raw.decode())
