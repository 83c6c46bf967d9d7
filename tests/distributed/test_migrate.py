"""Migrations as a step of their own, each service as its own user of PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from cassini.contracts.resources import ServiceName
from cassini.runtime.database import Database
from cassini.runtime.errors import BackendError
from cassini.runtime.migrations import require_current
from services.distributed.keys import make_keys
from services.distributed.migrate import migrate
from services.scheduler.tables import TABLES
from tests.distributed.conftest import statements

pytestmark = pytest.mark.postgres


@pytest.fixture
async def installation(empty_database, postgres_url, tmp_path):
    """The roles that an installation's keys name, in a database of their own; its address."""
    make_keys(tmp_path / "private", tmp_path / "public")
    roles = (tmp_path / "private" / "postgres" / "roles.sql").read_text()
    drop = "".join(f"DROP ROLE IF EXISTS {service};" for service in ServiceName)
    await asyncio.to_thread(asyncio.run, statements(empty_database, roles))
    yield empty_database, tmp_path / "private"
    owned = "".join(f"DROP OWNED BY {service} CASCADE;" for service in ServiceName)
    await asyncio.to_thread(asyncio.run, statements(empty_database, owned, drop))


def own(url, service):
    return Database(make_url(url).set(username=service).render_as_string(), schema=service)


@pytest.mark.xdist_group("roles")
async def test_each_service_has_its_tables_and_sees_no_other_ones(installation):
    url, private = installation
    said = []
    await migrate(list(ServiceName), url, private, said.append)
    assert list(ServiceName) == [line.partition(":")[0] for line in said]
    for service in ServiceName:
        database = own(url, service)
        async with database.read() as session:
            assert 0 == (await session.execute(text("SELECT count(*) FROM outbox"))).scalar()
            other = "api" if service is not ServiceName.API else "secrets"
            with pytest.raises(Exception, match="permission denied"):
                await session.execute(text(f"SELECT 1 FROM {other}.outbox"))
        await database.close()
    await migrate(list(ServiceName), url, private, said.append)


@pytest.mark.xdist_group("roles")
async def test_a_service_waits_for_tables_that_are_not_there(installation):
    url, private = installation
    database = own(url, ServiceName.SCHEDULER)
    with pytest.raises(BackendError, match=r"not there.*cassini migrate"):
        await require_current(database, TABLES.versions)
    await migrate([ServiceName.SCHEDULER], url, private, lambda _line: None)
    await require_current(database, TABLES.versions)
    await database.close()


@pytest.mark.xdist_group("roles")
async def test_tables_of_a_later_release_are_no_reason_to_wait(installation):
    url, private = installation
    await migrate([ServiceName.SCHEDULER], url, private, lambda _line: None)
    database = own(url, ServiceName.SCHEDULER)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await require_current(database, TABLES.versions)
    await database.close()
