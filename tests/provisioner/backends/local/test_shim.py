"""A shim by itself, told what the backend would tell it."""

import json
import marshal
import os
import subprocess
from pathlib import Path

import pytest

from services.provisioner.backends.local.shim import processes, state
from services.provisioner.backends.local.start import COMMAND, spawn
from tests.provisioner.backends.local.machine import ran, until


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_the_end_tells_the_exit_code_or_the_signal(order, script, code):
    end = ran({**order, "script": script})
    assert (end["exit_code"], end["reason"]) == (code, "Exited")


def test_an_attempt_that_began_is_never_begun_again(order, tmp_path):
    order["script"] = "echo x >> starts"
    ran(order)
    ran(order)
    (tmp_path / state.END).unlink()  # as if the first shim had been killed
    os.waitpid(spawn(order, "test"), 0)
    assert (tmp_path / "starts").read_text() == "x\n"
    assert not (tmp_path / state.END).exists()


def test_a_second_shim_leaves_the_first_alone(order, tmp_path):
    order["script"] = "echo x >> starts; exec sleep 1000"
    first = spawn(order, "test")
    until((tmp_path / "starts").exists)
    second = spawn(order, "test")
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
    command = [*COMMAND, "test"]
    for part in (b"", whole[: len(whole) // 2]):
        result = subprocess.run(command, input=part, check=True, capture_output=True, timeout=10)
        assert result.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_it_is_in_a_session_of_its_own_with_nothing_in_its_environment(order, tmp_path):
    order["environment"]["SECRET"] = "planted-value"
    order["script"] = "exec sleep 1000"
    pid = spawn(order, "test")
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


def test_a_child_that_ends_before_it_is_let_go_has_its_reason_told(order, tmp_path):
    entered, joined = tmp_path / "entered", tmp_path / "joined"
    (entered / "tasks").mkdir(parents=True)  # cannot be written to: the child ends at once
    joined.mkdir()
    os.mkfifo(joined / "cgroup.procs")  # the shim waits here until somebody reads
    order["groups"] = [(str(entered), {}), (str(joined), {})]
    pid = spawn(order, "test")
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: children.read_text() and not processes.descendants(pid))
    with (joined / "cgroup.procs").open():
        os.waitpid(pid, 0)
    end = json.loads((tmp_path / state.END).read_text())
    assert (end["reason"], end["exit_code"]) == ("StartFailed", None)
    assert "Is a directory" in end["message"]
