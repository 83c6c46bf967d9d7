"""Migrations as a step of their own, each service as its own user of PostgreSQL."""

import uuid

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

pytestmark = pytest.mark.postgres


@pytest.fixture
async def installation(postgres_url, tmp_path):
    """A database of its own, with the roles that an installation's keys name; its address."""
    make_keys(tmp_path / "private", tmp_path / "public")
    name = f"cassini_{uuid.uuid4().hex}"
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    roles = (tmp_path / "private" / "postgres" / "roles.sql").read_text()
    drop = "".join(f"DROP ROLE IF EXISTS {service};" for service in ServiceName)
    await statements(postgres_url, drop, f"CREATE DATABASE {name}")
    await statements(url, roles)
    yield url, tmp_path / "private"
    await statements(postgres_url, f"DROP DATABASE {name} WITH (FORCE)", drop)


async def statements(url, *scripts):
    """Run statements outside any transaction."""
    database = Database(url)
    engine = database._writer.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for script in scripts:
                for statement in filter(str.strip, script.split(";")):
                    await connection.execute(text(statement))
    finally:
        await database.close()


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
