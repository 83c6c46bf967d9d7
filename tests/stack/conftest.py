"""The distributed form for tests: one stack a run, built by it and removed at its end."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.stack.stack import Stack, run


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A stack under a name of this run's own."""
    if shutil.which("docker") is None:
        missing("docker", "there is no docker command")
    for words in (("docker", "info"), ("docker", "compose", "version")):
        try:
            run(*words)
        except AssertionError as error:
            missing("docker", str(error))
    if not Path("/var/run/docker.sock").exists():
        missing("docker", "there is no /var/run/docker.sock, which the stack's services use")
    made = Stack(f"cassini-test-{uuid.uuid4().hex[:8]}")
    try:
        made.up()
        yield made
    finally:
        made.remove()
