"""Two handlers that touch the same two rows lock them in one order (PostgreSQL)."""

import asyncio

import pytest
from sqlalchemy import select, text

from cassini.contracts.credentials import LeaseObservedV1, LeaseStatus
from cassini.contracts.resources import ServiceName
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground
from cassini.testing.databases import fresh_schema
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from services.provisioner.leases import lease_id
from services.provisioner.models import Workload
from services.provisioner.service import ProvisionerService
from services.provisioner.tables import TABLES
from services.provisioner.testing import ScriptedBackend
from tests.provisioner.wishes import WORKLOAD, make_wish

pytestmark = pytest.mark.postgres


@pytest.fixture
async def service(postgres_url, tmp_path):
    async with fresh_schema(postgres_url) as schema:
        database = Database(postgres_url, schema=schema)
        await database.run_sync(TABLES.metadata.create_all)
        keys = KeyRing(tmp_path / "keys")
        clock = SystemClock()
        ground = Ground(
            database,
            ProbeBus(),
            clock,
            keys.sealer(),
            keys.opener(ServiceName.PROVISIONER),
            exclusive=False,
        )
        yield ProvisionerService(ground, ScriptedBackend(clock))
        await database.close()


async def test_the_answer_of_a_lease_waits_for_the_workload_s_row_holding_no_other(service):
    database, handlers = service.database, service.handlers
    async with database.write() as session:
        await handlers["workload.declared.v1"](session, make_wish())
    answer = LeaseObservedV1(
        id=lease_id(WORKLOAD, 1),
        declarer=ServiceName.PROVISIONER,
        generation=1,
        sequence=1,
        status=LeaseStatus.PENDING,
    )

    async def take():
        async with database.write() as session:
            await handlers["lease.observed.v1"](session, answer)

    async def waits():
        async with database.read() as session:
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
            return (await session.execute(text(query))).scalar_one()

    async with database.write() as session:
        await session.exec(select(Workload).where(Workload.id == WORKLOAD).with_for_update())
        taking = asyncio.create_task(take())
        await until(waits)
        declaration = TABLES.declaration
        row = select(declaration.c.id).with_for_update(nowait=True)
        assert (await session.execute(row)).scalar_one() == answer.id
        assert not taking.done()
    await taking
