"""Logs of pods that are gone: compressed chunks of lines, in the service's own database.

The reconciler has a pod's log kept here before it removes the pod, so a line is in the backend or
here, at any moment and after any kill: ``keep`` goes on behind the last chunk that is there. Lines
keep their numbers. What programs print is kept as it is, secret values that they print included.

Bounds: so many bytes of a pod (the newest), so many pods of a workload, so many days.
"""

import asyncio
import zlib
from collections.abc import Sequence

from sqlalchemy import delete, func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.log_source import LogLine, LogPage
from cassini.runtime.reconcile import Claim
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.lines import read_line, write_line
from services.provisioner.models import LogChunk, Workload
from services.provisioner.plan import PodName

BYTES_OF_A_POD = 16 * 1024 * 1024
PODS_OF_A_WORKLOAD = 50
LINES_OF_A_CHUNK = 4000
BYTES_OF_A_CHUNK = 1024 * 1024
_SECONDS_PER_DAY = 86400.0
_LOOK_SECONDS = 3600.0
_BATCH = 100


class Archive:
    """The archive of one backend's pods."""

    def __init__(self, database: Database, backend: Backend, clock: Clock, *, days: float) -> None:
        self._database = database
        self._backend = backend
        self._clock = clock
        self._days = days

    async def keep(self, claim: Claim[Workload], name: PodName) -> None:
        """Take in what a pod of the claimed workload has printed; it must have ended.

        Raises:
            BackendError: the log cannot be read now.
            ClaimLost: somebody else works on the workload.
        """
        async with self._database.read() as session:
            kept = await session.exec(select(func.max(_END)).where(col(LogChunk.pod) == str(name)))
            first = kept.one() or 0
        more = True
        while more:
            read = self._backend.read_logs(name, first=first, lines=LINES_OF_A_CHUNK)
            page = await in_time(read)
            if page is None or not page.lines:
                return
            lines, size, content = await asyncio.to_thread(_pack, page.lines)
            async with claim.write() as (session, _):
                session.add(
                    LogChunk(
                        pod=str(name),
                        first=page.first,
                        workload_id=name.workload_id,
                        lines=lines,
                        size=size,
                        kept_at=self._clock.now(),
                        content=content,
                    )
                )
                await session.flush()
                await _drop_surplus(session, name)
            first = page.first + lines
            more = first < page.end

    async def read(self, name: PodName, *, first: int, lines: int) -> LogPage | None:
        """Return lines as ``Backend.read_logs`` does; None where none of the pod are kept."""
        mine = col(LogChunk.pod) == str(name)
        async with self._database.read() as session:
            ends = select(func.min(col(LogChunk.first)), func.max(_END)).where(mine)
            oldest, end = (await session.exec(ends)).one()
            if end is None:
                return None
            first = max(first + end if first < 0 else first, oldest)
            wanted = select(LogChunk).where(mine, col(LogChunk.first) < first + lines, first < _END)
            chunks = (await session.exec(wanted.order_by(col(LogChunk.first)))).all()
        found = await asyncio.to_thread(_unpack, chunks, first, first + lines)
        return LogPage(first, found, end)

    async def run(self) -> None:
        """Forget what is too old, now and every hour."""
        while True:
            await self.forget()
            await self._clock.sleep(_LOOK_SECONDS)

    async def forget(self) -> None:
        """Delete the chunks that are too old, some at a time."""
        key = (col(LogChunk.pod), col(LogChunk.first))
        before = self._clock.now() - self._days * _SECONDS_PER_DAY
        while True:
            async with self._database.write() as session:
                old = select(*key).where(col(LogChunk.kept_at) < before).limit(_BATCH)
                found = [tuple(row) for row in await session.exec(old)]
                await session.execute(delete(LogChunk).where(tuple_(*key).in_(found)))
            if len(found) < _BATCH:
                return


_END = col(LogChunk.first) + col(LogChunk.lines)


async def _drop_surplus(session: AsyncSession, name: PodName) -> None:
    """Drop the oldest chunks of a pod and the oldest pods of its workload, where they are many."""
    newest_first = select(LogChunk.first, LogChunk.size).where(col(LogChunk.pod) == str(name))
    rows = await session.exec(newest_first.order_by(col(LogChunk.first).desc()))
    room = BYTES_OF_A_POD
    for first, size in rows.all():
        room -= size
        if room < 0:
            surplus = (col(LogChunk.pod) == str(name), col(LogChunk.first) <= first)
            await session.execute(delete(LogChunk).where(*surplus))
            break
    pods = select(LogChunk.pod).where(col(LogChunk.workload_id) == name.workload_id)
    pods = pods.group_by(col(LogChunk.pod)).order_by(func.max(col(LogChunk.kept_at)).desc())
    surplus_pods = (await session.exec(pods.offset(PODS_OF_A_WORKLOAD))).all()
    if surplus_pods:
        await session.execute(delete(LogChunk).where(col(LogChunk.pod).in_(surplus_pods)))


def _pack(lines: Sequence[LogLine]) -> tuple[int, int, bytes]:
    """Return how many of the lines fit into a chunk, their bytes, and the chunk."""
    packed: list[bytes] = []
    size = 0
    for line in map(write_line, lines):
        if packed and size + len(line) > BYTES_OF_A_CHUNK:
            break
        packed.append(line)
        size += len(line)
    return len(packed), size, zlib.compress(b"".join(packed))


def _unpack(chunks: Sequence[LogChunk], first: int, end: int) -> tuple[LogLine, ...]:
    found: list[LogLine] = []
    for chunk in chunks:
        content = zlib.decompress(chunk.content).split(b"\n")[:-1]
        wanted = content[max(first - chunk.first, 0) : max(end - chunk.first, 0)]
        found += map(read_line, wanted)
    return tuple(found)
