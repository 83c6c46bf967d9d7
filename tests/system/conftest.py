"""Platforms for whole scenarios: the built-in image is built once in a test run.

An image cannot be moved, so all tests that start a real JupyterLab share one data directory, and
with it one worker (``xdist_group("jupyter")``). Each finds nothing there but the image.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.platform import FIRST_START_SECONDS, Home, Platform, fresh_home

Up = Callable[..., Platform]


@pytest.fixture(scope="session")
def built_home(tmp_path_factory) -> Iterator[Home]:
    """A data directory in which the built-in image is built."""
    with fresh_home() as home:
        platform = Platform(home, tmp_path_factory.mktemp("first-start"))
        platform.wait_ready(FIRST_START_SECONDS)
        assert platform.end() == 0
        yield home


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
