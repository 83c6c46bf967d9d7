"""The distributed form for tests: one stack a run, built by it and removed at its end."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.stack.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """A stack under a name of this run's own."""
    if shutil.which("docker") is None:
        missing("docker", "there is no docker command")
    if not Path("/var/run/docker.sock").exists():
        missing("docker", "there is no /var/run/docker.sock, which the stack's services use")
    run = tmp_path_factory.getbasetemp().parent.name.removeprefix("pytest-")
    made = Stack(f"cassini-test-{os.getpid()}-{run}".lower())
    try:
        made.up()
        yield made
    finally:
        made.remove()
