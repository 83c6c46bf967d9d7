"""The official clients for all tests that run them (a pytest plugin)."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.environment import make_environment
from tests.conftest import missing


@pytest.fixture(scope="session")
def environment(request) -> Path:
    """The official clients, installed once for many runs."""
    try:
        return make_environment(request.config.cache.mkdir("clients"))
    except subprocess.CalledProcessError as error:
        missing("clients", f"they cannot be installed: {error.stderr.strip()}")
