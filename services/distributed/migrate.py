"""``cassini migrate``: bring the tables of the services to this release, as a step of its own.

Each service's tables are in a schema of its own, changed as the user who owns it. Run it before
the new release's services start; services of the release before go on beside it, since fields
are only added.
"""

import asyncio
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from sqlalchemy.engine import make_url

from cassini.contracts.resources import ServiceName
from cassini.runtime.database import Database, is_outage
from cassini.runtime.migrations import head_of, upgrade
from cassini.runtime.service import ServiceTables
from cassini.runtime.settings import with_password
from services.distributed.keys import DATABASE_PASSWORD

_LOOK_AGAIN_SECONDS = 1.0


async def migrate(
    names: Iterable[ServiceName],
    database_url: str,
    private: Path | None,
    say: Callable[[str], None],
) -> None:
    """Upgrade the tables of these services; waits for the database.

    ``private``: where ``cassini keys`` put each service's password; each one's tables are then
    changed as its own user. Without it the address is used as it is.
    """
    for name in names:
        tables: ServiceTables = import_module(f"services.{name}.tables").TABLES
        database = Database(_address(name, database_url, private), schema=name)
        try:
            await _reachable(database, say)
            await upgrade(database, tables.versions, tables.metadata)
        finally:
            await database.close()
        say(f"{name}: version {head_of(tables.versions)}")


def _address(name: ServiceName, database_url: str, private: Path | None) -> str:
    if private is None:
        return database_url
    own = make_url(database_url).set(username=str(name)).render_as_string(hide_password=False)
    return with_password(own, private / name / DATABASE_PASSWORD) or own


async def _reachable(database: Database, say: Callable[[str], None]) -> None:
    last = ""
    while True:
        try:
            await database.run_sync(lambda _connection: None)
        except Exception as error:
            if not is_outage(error):
                raise
            if str(error) != last:
                say(f"waiting for the database: {error}")
            last = str(error)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return
