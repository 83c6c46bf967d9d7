"""A database and a broker of their own for whole installations."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from cassini.runtime.database import Database
from tests.distributed.installation import Installation, running


async def statements(url: str, *scripts: str) -> None:
    """Run statements of PostgreSQL outside any transaction."""
    database = Database(url)
    engine = database._writer.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for script in scripts:
                for statement in filter(str.strip, script.split(";")):
                    await connection.execute(text(statement))
    finally:
        await database.close()


@pytest.fixture
def empty_database(postgres_url) -> Iterator[str]:
    """The address of a database in which nothing is."""
    name = f"cassini_{uuid.uuid4().hex}"
    asyncio.run(statements(postgres_url, f"CREATE DATABASE {name}"))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(statements(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def installation(built_home, empty_database, rabbitmq_url, tmp_path) -> Iterator[Installation]:
    """An installation of which nothing runs yet; all is ended after."""
    made = Installation(built_home, tmp_path, database_url=empty_database, bus_url=rabbitmq_url)
    with running(made):
        yield made
    built_home.clear(keep=("images", "package-cache"))
