"""What pods print is kept, bounded, and there at once."""

import time

from services.provisioner.backends.local.shim import state
from services.provisioner.backends.local.start import spawn
from tests.provisioner.backends.local.machine import ran, until


def test_the_log_is_rotated_and_read_as_one(order, tmp_path):
    end = ran({**order, "script": "for i in $(seq 1 400); do echo line $i; done; exit 3"})
    assert end["exit_code"] == 3
    files = sorted(path.name for path in tmp_path.glob("log*"))
    assert set(files) <= {"log", "log.1", "log.2"}
    assert sum((tmp_path / name).stat().st_size for name in files) < 3 * 66_000


def test_a_line_is_in_the_log_within_a_second(order, tmp_path):
    order["script"] = "echo first; exec sleep 1000"
    spawn(order, "test")
    log = tmp_path / state.LOG
    began = time.monotonic()
    until(lambda: log.exists() and log.read_text() == "first\n")
    assert time.monotonic() - began < 1.0
