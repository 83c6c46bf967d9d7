"""Migrations: alembic, with one environment for all services and a folder of versions each.

A service's versions are files ``NNNN_what.py`` beside its code; revisions are their numbers. The
embedded form upgrades by itself at start; the version table is looked at first, so that a start
with nothing to do does not load alembic. In the distributed form ``cassini migrate`` does it, and
services wait for it; tables of a later release are fine for them, since fields are only added. Of
several that upgrade at once one does it and the others wait for it.
"""

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, inspect, text

from cassini.runtime.database import Database
from cassini.runtime.errors import BackendError

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent
_VERSION_TABLE = "alembic_version"
_LOCK = 0xCA5514


def head_of(versions: Path) -> str:
    """Return the newest revision in a folder of versions."""
    return max(path.name for path in versions.glob("[0-9]*.py")).split("_", 1)[0]


async def upgrade(database: Database, versions: Path, metadata: MetaData) -> None:
    """Bring a service's tables to the newest version."""
    if await database.run_sync(_current) != head_of(versions):
        await asyncio.to_thread(import_module, "alembic.command")  # 0.2 s, not on the loop
        await database.run_sync(lambda connection: _upgrade(connection, versions, metadata))


async def require_current(database: Database, versions: Path) -> None:
    """Pass where a service's tables are of this release or a later one.

    Raises:
        BackendError: they are not there or older; the message says what to do.
    """
    async with database.read() as session:
        current = await (await session.connection()).run_sync(_current)
    if (current or "") < head_of(versions):
        there = f"at version {current}" if current else "not there"
        needed = head_of(versions)
        raise BackendError(
            f"the tables are {there}, this release needs {needed}: run `cassini migrate`",
            code="not_migrated",
        )


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608 - a constant


def _upgrade(connection: Connection, versions: Path, metadata: MetaData) -> None:
    if connection.dialect.name == "postgresql":  # SQLite's transaction is exclusive already
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        if _current(connection) == head_of(versions):
            return
    from alembic import command  # noqa: PLC0415 - 10 MB, needed only when there is work

    command.upgrade(configure(connection, versions, metadata), "head")


def configure(connection: Connection, versions: Path, metadata: MetaData) -> "Config":
    """Return alembic's configuration for one service on one connection."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes |= {"connection": connection, "target_metadata": metadata}
    return config
