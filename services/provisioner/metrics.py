"""What pods use, sampled at every slot of the fine grid and read back as series.

All pods are measured in one call of the backend and written in one transaction; while no pod runs
nothing is written. Replicas sample at the same moments, and of each slot one sample is kept.
What a pod used after its last sample, and any time at which no provisioner ran, is not known.
"""

import asyncio

import structlog

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.errors import BackendError
from cassini.runtime.log_source import PodMetrics
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.metric_samples import (
    FINE,
    drop_old_samples,
    read_samples,
    write_samples,
)
from services.provisioner.metric_series import Buckets, Sample, series_of

_DROP_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class Metrics:
    """Samples the pods of one backend, and tells what they used."""

    def __init__(self, database: Database, backend: Backend, clock: Clock) -> None:
        self._database = database
        self._backend = backend
        self._clock = clock
        self._drop_at = 0.0

    async def run(self) -> None:
        """Sample for ever, at the beginning of every slot."""
        while True:
            await self.sample()
            await self._clock.sleep(FINE.step - self._clock.now() % FINE.step)

    async def sample(self) -> None:
        """Measure all pods once, and drop what is too old now and then."""
        try:
            usages = await in_time(self._backend.measure())
        except BackendError as error:
            _log.warning("pods are not measured", reason=error.message)
            usages = ()
        now = self._clock.now()
        if usages:
            async with self._database.write() as session:
                await write_samples(session, usages, now)
        if now >= self._drop_at:
            async with self._database.write() as session:
                await drop_old_samples(session, now)
            self._drop_at = now + _DROP_SECONDS

    async def read(
        self, workload_id: str, *, start: float, end: float, step: float
    ) -> list[PodMetrics]:
        """Return the series of every pod that a workload had in a time, in the order they came.

        ``start`` and ``end`` are in Unix seconds, ``step`` in seconds. Each series has a point for
        every ``step`` that something is known of; ``metric_series`` says what the values are.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            pods = await read_samples(session, workload_id, start=start, end=end, now=now)
        return await asyncio.to_thread(_shown, pods, Buckets(start, end, step))


def _shown(pods: dict[str, list[Sample]], buckets: Buckets) -> list[PodMetrics]:
    return [PodMetrics(name, series_of(samples, buckets)) for name, samples in pods.items()]
