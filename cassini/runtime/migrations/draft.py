"""Draft a migration from the difference between a service's models and its versions so far.

``python -m cassini.runtime.migrations.draft SERVICE MESSAGE``; read the draft before it is kept.
"""

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from cassini.runtime.database import Database
from cassini.runtime.migrations import configure, head_of, upgrade
from cassini.runtime.service import ServiceTables


def _draft(connection: Connection, tables: ServiceTables, number: str, message: str) -> None:
    config = configure(connection, tables.versions, tables.metadata)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    command.revision(
        config,
        message=message,
        autogenerate=True,
        rev_id=number,
        version_path=str(tables.versions),
    )


async def main(service: str, message: str) -> None:
    """Write the next version of a service's tables."""
    tables: ServiceTables = import_module(f"services.{service}.service").TABLES
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite+aiosqlite:///{Path(scratch) / 'draft.db'}")
        versions = list(tables.versions.glob("[0-9]*.py"))
        if versions:
            await upgrade(database, tables.versions, tables.metadata)
        number = f"{int(head_of(tables.versions)) + 1 if versions else 1:04d}"
        await database.run_sync(lambda connection: _draft(connection, tables, number, message))
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
