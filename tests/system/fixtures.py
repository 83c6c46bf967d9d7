"""Platforms for whole scenarios: the built-in image is built once in a test run (a pytest plugin).

An image cannot be moved, so all tests that start a real JupyterLab share one data directory, and
with it one worker (``xdist_group("jupyter")``). Each finds nothing there but the image.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.platform import FIRST_START_SECONDS, START_SECONDS, Home, Platform, fresh_home
from tests.system.waiting import until

Up = Callable[..., Platform]


@dataclass(frozen=True)
class FirstStart:
    """What came of stopping the first build."""

    home: Home
    exit_code: int
    seconds: float
    left: dict[int, str]
    """The processes that were still there."""


@pytest.fixture(scope="session")
def first_start(tmp_path_factory) -> Iterator[FirstStart]:
    """A first start that was stopped in the middle of the build, and a second that went on."""
    logs = tmp_path_factory.mktemp("first-start")
    with fresh_home() as home:
        platform = Platform(home, logs)
        until(lambda: home.processes("pip install"), "a build", seconds=START_SECONDS)
        began = time.monotonic()
        code = platform.end(signal.SIGTERM)
        seconds, left = time.monotonic() - began, home.processes()
        home.kill_all()
        platform = Platform(home, logs).wait_ready(FIRST_START_SECONDS)
        assert platform.end() == 0
        yield FirstStart(home, code, seconds, left)


@pytest.fixture(scope="session")
def built_home(first_start) -> Home:
    """A data directory in which the built-in image is built."""
    return first_start.home


@contextmanager
def platforms(home: Home, logs: Path) -> Iterator[Up]:
    """Start ``cassini up`` as often as called, wait until it is ready; all is ended after."""
    try:
        yield lambda *flags, **options: Platform(home, logs, *flags, **options).wait_ready()
    finally:
        home.clear(keep=("images", "package-cache"))


@pytest.fixture
def up(built_home, tmp_path) -> Iterator[Up]:
    """Starts ``cassini up`` where the image is built and waits until it is ready."""
    with platforms(built_home, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def platform(built_home, tmp_path_factory) -> Iterator[Platform]:
    """A running platform for all tests of a file."""
    with platforms(built_home, tmp_path_factory.mktemp("platform")) as start:
        yield start()


@pytest.fixture
def home() -> Iterator[Home]:
    """A new, empty data directory."""
    with fresh_home() as home:
        yield home
