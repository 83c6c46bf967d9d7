"""The distributed form for all tests that use it, started once in a test run (a pytest plugin)."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.stack.stack import Stack

STACK = (
    pytest.mark.docker,
    pytest.mark.rabbitmq,
    pytest.mark.postgres,
    pytest.mark.openbao,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(1200),
)
"""The marks of such a test: all run in one worker, which has the stack; the first one builds it."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """The distributed form, ready; who changes more than resources of their own changes it back.

    ``CASSINI_TEST_STACK=<project>:<port>`` names one that runs already, and is left running.
    """
    _need_compose()
    if given := os.environ.get("CASSINI_TEST_STACK"):
        project, _, port = given.partition(":")
        yield Stack(project, port=int(port))
        return
    stack = Stack(f"cassini-test-{uuid.uuid4().hex[:8]}")
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


def _need_compose() -> None:
    if not Path("/var/run/docker.sock").exists():
        missing("docker", "there is no /var/run/docker.sock, which the stack's services use")
    for words in (("docker", "version"), ("docker", "compose", "version")):
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            missing("docker", f"there is no engine with compose: {error}")
