"""The report of a pod is its own to write: nothing of it is trusted."""

import os

from services.provisioner.backends.report import read_report


def test_the_report_is_read_without_trust(tmp_path):
    report = tmp_path / "report"
    report.write_text(
        "1700000000 install begin\nrubbish\n1700000001.5 install failed 3\n"
        "nan main begin\n-1 main begin\n1 main dance\n1 ../x begin\n1 main begin 1234\n2 ma"
    )
    steps = read_report(report)
    assert [(step.name, step.state, step.at, step.exit_code) for step in steps] == [
        ("install", "begin", 1700000000.0, None),
        ("install", "failed", 1700000001.5, 3),
    ]
    report.write_text("1 a begin\n" * 100_000)
    assert len(read_report(report)) == 200


def test_a_report_that_is_no_plain_file_says_nothing(tmp_path):
    target = tmp_path / "target"
    target.write_text("1 main begin\n")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    names = ("link", "pipe", "missing")
    assert [read_report(tmp_path / name) for name in names] == [(), (), ()]
