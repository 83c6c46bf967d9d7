"""What the backend can do now, as it was observed: the sizes on offer follow from it."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.workloads import BackendObservedV1
from services.api.context import ApiContext
from services.api.resources.models import Backend
from services.api.resources.sizes import Capacity, Sizes


async def keep_backend(session: AsyncSession, fact: BackendObservedV1) -> None:
    """Keep a backend's fact if it is the newest of its id.

    Nobody wishes for backends, so there is no declaration: the row itself holds the numbers.
    """
    query = select(Backend).where(col(Backend.id) == fact.id).with_for_update()
    row = (await session.exec(query)).one_or_none()
    if row is not None and (fact.generation, fact.sequence) <= (row.generation, row.sequence):
        return
    seen = fact.model_dump(include=set(Backend.model_fields))
    new = Backend.model_validate(seen)
    await session.merge(new)


async def offered_sizes(session: AsyncSession, api: ApiContext) -> Sizes:
    """Return the sizes on offer: what is configured, on the backend seen last."""
    row = await _newest(session)
    seen = None
    if row is not None:
        seen = Capacity(cores=row.cores, memory_bytes=row.memory_bytes, cloud=row.kind)
    return Sizes(seen, api.settings.sizes)


async def why_nothing_can_start(session: AsyncSession) -> str | None:
    """Return why no workload could be started now; None where one could."""
    row = await _newest(session)
    if row is None:
        return "nothing is known of the backend yet"
    if not row.reachable:
        return row.message or f"the backend ({row.kind}) cannot be reached"
    return None


async def _newest(session: AsyncSession) -> Backend | None:
    query = select(Backend).order_by(col(Backend.sequence).desc()).limit(1)
    return (await session.exec(query)).one_or_none()
