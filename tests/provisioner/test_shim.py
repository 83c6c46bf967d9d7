import json
import marshal
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.provisioner.backends import local_processes as processes
from services.provisioner.backends import local_start as start
from services.provisioner.backends import local_state as state
from services.provisioner.backends import shim
from services.provisioner.backends.local_report import read_report


@pytest.fixture
def order(tmp_path):
    """An order for a pod without namespaces, as ourselves; its shim is gone afterwards."""
    yield {
        "directory": str(tmp_path),
        "environment": {"PATH": os.defpath, "CASSINI_POD": "p", "CASSINI_INSTALLATION": "i"},
        "script": "exit 0",
        "home": str(tmp_path),
        "uid": None,
        "gid": None,
        "namespaces": False,
        "mounts": [],
        "groups": [],
        "out_of_memory": None,
        "host": "127.0.0.1",
        "ports": [],
        "grace": 5.0,
        "log_bytes": 1000,
        "log_files": 3,
    }
    if pid := state.holder(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert processes.end_all(lambda: processes.marked("p", "i", str(tmp_path / "lock")), 5.0)


def until(fact):
    """Wait for a fact, with a deadline."""
    deadline = time.monotonic() + 15
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ran(order):
    """Run a shim to its end; return how the pod ended."""
    os.waitpid(start.spawn(order, "test"), 0)
    return json.loads((Path(order["directory"]) / state.END).read_text())


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_the_end_tells_the_exit_code_or_the_signal(order, script, code):
    end = ran({**order, "script": script})
    assert (end["exit_code"], end["reason"]) == (code, "Exited")


def test_an_attempt_that_began_is_never_begun_again(order, tmp_path):
    order["script"] = "echo x >> starts"
    ran(order)
    ran(order)
    (tmp_path / state.END).unlink()  # as if the first shim had been killed
    os.waitpid(start.spawn(order, "test"), 0)
    assert (tmp_path / "starts").read_text() == "x\n"
    assert not (tmp_path / state.END).exists()


def test_a_second_shim_leaves_the_first_alone(order, tmp_path):
    order["script"] = "echo x >> starts; exec sleep 1000"
    first = start.spawn(order, "test")
    until((tmp_path / "starts").exists)
    second = start.spawn(order, "test")
    assert os.waitpid(second, 0)[1] == 0
    assert state.holder(str(tmp_path)) == first
    assert (tmp_path / "starts").read_text() == "x\n"


def test_a_wish_to_stop_counts_before_the_begin(order, tmp_path):
    (tmp_path / state.STOP).write_text("Stopped")
    end = ran({**order, "script": "echo x >> starts"})
    assert (end["exit_code"], end["reason"]) == (None, "Stopped")
    assert not (tmp_path / "starts").exists()


def test_an_order_that_was_cut_short_begins_nothing(order, tmp_path):
    whole = marshal.dumps(order)
    command = [sys._base_executable, "-I", "-S", "-E", shim.__file__]
    for part in (b"", whole[: len(whole) // 2]):
        result = subprocess.run(command, input=part, check=True, capture_output=True, timeout=10)
        assert result.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_the_log_is_rotated_and_read_as_one(order, tmp_path):
    end = ran({**order, "script": "for i in $(seq 1 400); do echo line $i; done; exit 3"})
    assert end["exit_code"] == 3
    files = sorted(path.name for path in tmp_path.glob("log*"))
    assert set(files) <= {"log", "log.1", "log.2"}
    assert sum((tmp_path / name).stat().st_size for name in files) < 3 * 66_000


def test_a_line_is_in_the_log_within_a_second(order, tmp_path):
    order["script"] = "echo first; exec sleep 1000"
    start.spawn(order, "test")
    log = tmp_path / state.LOG
    began = time.monotonic()
    until(lambda: log.exists() and log.read_text() == "first\n")
    assert time.monotonic() - began < 1.0


def test_it_is_in_a_session_of_its_own_with_nothing_in_its_environment(order, tmp_path):
    order["environment"]["SECRET"] = "planted-value"
    order["script"] = "exec sleep 1000"
    pid = start.spawn(order, "test")
    until((tmp_path / state.KEEPER).exists)
    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/environ").read_bytes() == b"LC_ALL=C.UTF-8\0"
    assert b"planted" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_daemon_of_the_pod_ends_with_the_main_command(order, tmp_path):
    order["script"] = "(setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon; exec sleep 1000' &)\n"
    order["script"] += "while [ ! -s daemon ]; do sleep 0.01; done; exit 4"
    end = ran(order)
    assert end["exit_code"] == 4
    assert processes.start_ticks(int((tmp_path / "daemon").read_text())) is None


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
