"""The provisioner as a form starts it, on a real backend: with the API's part played."""

import json
from importlib import import_module
from pathlib import Path
from uuid import uuid4

from cassini.contracts.resources import ServiceName
from cassini.contracts.workloads import (
    Identity,
    WorkloadDeclaredV1,
    WorkloadObservedV1,
    WorkloadSpec,
)
from cassini.runtime.bus_memory import MemoryBus
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.sealing import KeyRing
from cassini.runtime.service import Ground, stop_all
from cassini.testing.databases import sqlite_url
from cassini.testing.probe import ProbeBus
from cassini.testing.waiting import until
from services.provisioner.service import ProvisionerService
from tests.provisioner.backends.conformance.rig import SERVE, SERVER, Rig

import_module("alembic.command")  # the first start would load it on the event loop, for 0.3 s

SECONDS = 60.0


class Platform:
    """One provisioner over a rig; ``start`` again is as after a restart."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig = rig
        self.facts: list[WorkloadObservedV1] = []
        self._directory = directory
        self._keys = KeyRing(directory / "keys")
        self.service: ProvisionerService | None = None

    async def start(self, **options) -> None:
        memory = MemoryBus()
        self.bus = ProbeBus(memory)
        for reader, name in (
            (ServiceName.API, "workload.observed.v1"),
            (ServiceName.API, "backend.observed.v1"),
            (ServiceName.SECRETS, "lease.declared.v1"),
        ):
            memory.subscribe(reader, name, _ignore)
        ground = Ground(
            Database(sqlite_url(self._directory)),
            self.bus,
            SystemClock(),
            self._keys.sealer(),
            self._keys.opener(ServiceName.PROVISIONER),
            exclusive=True,
        )
        self.backend = self.rig.make(**options)
        self.service = ProvisionerService(ground, self.backend)
        await self.service.start()

    async def stop(self) -> None:
        if self.service is not None:
            self.facts += self.bus.received(WorkloadObservedV1)
            service, self.service = self.service, None
            await stop_all([service])

    async def declare(self, wish: WorkloadDeclaredV1) -> None:
        """Hand a wish to the service, as a relay does."""
        async with self.service.database.write() as session:
            await self.service.handlers["workload.declared.v1"](session, wish)

    def wish(self, generation: int, revision: int = 1, wanted: str = "running", **changes):
        """Return a wish of this test's workload; the fields of a spec are taken as such."""
        fields = {"replicas": changes.pop("replicas", 1)}
        values = changes.pop("values", None)
        if values is not None:
            fields["sealed"] = self._keys.sealer().seal(
                json.dumps(values),
                reader=ServiceName.PROVISIONER,
                resource_id=self.rig.workload,
                generation=generation,
            )
        if wanted == "running":
            fields["spec"] = self.spec(**changes)
        return WorkloadDeclaredV1(
            id=self.rig.workload,
            declarer=ServiceName.API,
            generation=generation,
            revision=revision,
            wanted=wanted,
            **fields,
        )

    def spec(self, **changes) -> WorkloadSpec:
        usual = {
            "kind": "workspace",
            "identity": Identity(
                resource_name="notes",
                resource_type="workspace",
                owner="acme/ada",
                owner_id="b" * 32,
                base_url="http://cassini.test:8765/",
            ),
            "image": self.rig.image,
            "cores": 1,
            "memory_bytes": 256 * 1024 * 1024,
            "command": SERVE,
            "environment": {"SERVER": SERVER},
        }
        return WorkloadSpec(**(usual | changes))

    def fact(self) -> WorkloadObservedV1 | None:
        """Return the newest fact of the workload."""
        facts = [*self.facts, *self.bus.received(WorkloadObservedV1)]
        mine = (fact for fact in facts if fact.id == self.rig.workload)
        return max(mine, key=lambda fact: (fact.generation, fact.sequence), default=None)

    async def comes_to(self, status: str, generation: int) -> WorkloadObservedV1:
        """Wait until the workload is said to be so under a wish."""

        def look():
            fact = self.fact()
            so = fact and fact.status == status and fact.generation == generation
            return fact if so else None

        try:
            return await until(look, seconds=SECONDS)
        except TimeoutError:
            raise AssertionError(f"not {status} in time: {self.fact()}") from None

    async def names(self) -> list[str]:
        """Return what runs, as the backend tells it."""
        pods = await self.backend.list_pods(self.rig.workload)
        return sorted(
            str(pod.name).removeprefix(self.rig.workload)[1:]
            for pod in pods
            if pod.phase in {"starting", "started"}
        )


async def _ignore(envelopes) -> list[None]:
    """Take events and do nothing."""
    return [None] * len(envelopes)


def new_directory(base: Path) -> Path:
    """Return a directory for a platform's own database."""
    directory = base / uuid4().hex
    directory.mkdir()
    return directory
