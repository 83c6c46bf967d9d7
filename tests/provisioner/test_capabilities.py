"""What is said of the backend when several replicas look at it."""

import asyncio

from sqlmodel import select

from cassini.contracts.resources import ServiceName
from cassini.runtime.outbox import Outbox
from cassini.runtime.ownership import Ownership
from cassini.runtime.workqueue import WorkQueue
from cassini.testing.probe import ProbeBus
from services.provisioner.capabilities import Capabilities
from services.provisioner.models import BackendRow, Workload
from services.provisioner.tables import TABLES
from services.provisioner.testing import ScriptedBackend


def replica(database, clock) -> Capabilities:
    outbox = Outbox(TABLES.outbox, service=ServiceName.PROVISIONER, bus=ProbeBus(), clock=clock)
    backends, workloads = (
        Ownership(model, noun, outbox=outbox, clock=clock, queue=WorkQueue())
        for model, noun in ((BackendRow, "backend"), (Workload, "workload"))
    )
    return Capabilities(database, backends, workloads, ScriptedBackend(clock), clock)


async def test_replicas_that_start_together_make_one_row(open_database, clock):
    databases = [open_database() for _ in range(4)]
    await databases[0].run_sync(TABLES.metadata.create_all)
    await asyncio.gather(*(replica(each, clock).look() for each in databases))

    async with databases[0].read() as session:
        assert len((await session.exec(select(BackendRow))).all()) == 1
