"""What the api does with facts: keep them if they are newer, and let the resource follow.

Rows are locked in one order everywhere: secrets, image version, resource, declaration.
"""

from collections.abc import Collection
from functools import partial

import structlog
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.credentials import CredentialObservedV1, CredentialStatus
from cassini.contracts.images import ImageObservedV1
from cassini.contracts.resources import ServiceName, Wanted
from cassini.contracts.workloads import (
    BackendObservedV1,
    WorkloadDeclaredV1,
    WorkloadObservedV1,
    WorkloadStatus,
)
from services.api.context import ApiContext
from services.api.credentials import secrets
from services.api.credentials import wishes as credentials
from services.api.images import wishes as images
from services.api.images.models import ImageTag
from services.api.resources.access import lock_workspace
from services.api.resources.backends import keep_backend
from services.api.resources.history import keep_pods
from services.api.resources.lifecycle import Lifecycle
from services.api.resources.models import Workspace

log = structlog.get_logger(__name__)


async def secrets_changed(
    session: AsyncSession, api: ApiContext, resource_ids: Collection[str]
) -> None:
    """Let workspaces follow a change of secrets that they are given, or of what is known of them.

    They are locked by their ids, after the secrets.
    """
    query = select(Workspace).where(
        col(Workspace.id).in_(resource_ids), col(Workspace.deleted_at).is_(None)
    )
    locked = query.order_by(col(Workspace.id)).with_for_update()
    rows = (await session.exec(locked.execution_options(populate_existing=True))).all()
    if rows:
        await Lifecycle(api).secrets_changed(session, rows)


class Handlers:
    """The api's handlers of facts."""

    def __init__(self, api: ApiContext) -> None:
        self._api = api
        self._clock = api.clock
        self._declarations = api.declarations
        self._lifecycle = Lifecycle(api)

    async def workload_observed(self, session: AsyncSession, fact: WorkloadObservedV1) -> None:
        """Follow a workload; one that nobody here wished for is to be stopped, never removed."""
        if fact.declarer != ServiceName.API:
            return
        row = await lock_workspace(session, fact.id)
        renew = partial(self._lifecycle.renewed, session)
        verdict = await self._declarations.take(session, fact, remake=renew)
        if verdict.unknown:
            await self._stop_stray(session, fact)
            if row is not None:
                await self._lifecycle.found_running(session, row)
        elif row is not None and verdict.jump:
            await self._lifecycle.jumped(session, row)
        elif row is not None and verdict.keep:
            await keep_pods(session, fact, verdict.before, now=self._clock.now())
            await self._lifecycle.observed(session, row, fact)

    async def image_observed(self, session: AsyncSession, fact: ImageObservedV1) -> None:
        """Follow an image's build, and let the starts go on that wait for it."""
        if fact.declarer != ServiceName.API:
            return
        locked = select(ImageTag).where(col(ImageTag.id) == fact.id).with_for_update()
        await session.exec(locked)
        verdict = await self._declarations.take(session, fact)
        if verdict.unknown:
            log.warning("a fact about an image that is not known here", id=fact.id)
        elif verdict.keep and (tag := await images.take(session, fact)) is not None:
            await self._lifecycle.release(session, tag)

    async def credential_observed(self, session: AsyncSession, fact: CredentialObservedV1) -> None:
        """Follow a secret; make a token anew that the store lost, or has a later one of."""
        if fact.declarer != ServiceName.API:
            return
        if (secret := await secrets.locked(session, fact.id)) is not None:
            verdict = await self._declarations.take(session, fact)
            if verdict.keep or verdict.jump:
                await secrets.observed(session, self._api, secret, fact, jumped=verdict.jump)
            return
        known = await credentials.find(session, fact.id)
        row = await lock_workspace(session, known.resource_id) if known else None
        verdict = await self._declarations.take(session, fact)
        if verdict.unknown:
            log.warning("a fact about a credential that is not known here", id=fact.id)
        if known is None or row is None or row.deleted_at is not None:
            return
        lost = fact.status == CredentialStatus.LOST and fact.generation == known.generation
        if verdict.jump or (verdict.keep and lost):
            log.info("a token is made anew", resource=row.id)
            await self._lifecycle.renew_token(session, row)

    async def backend_observed(self, session: AsyncSession, fact: BackendObservedV1) -> None:
        """Keep what the backend can do now."""
        await keep_backend(session, fact)

    async def _stop_stray(self, session: AsyncSession, fact: WorkloadObservedV1) -> None:
        if fact.status == WorkloadStatus.ABSENT:
            # A wish would take its home back from the trash.
            return
        log.warning("a workload that nobody here wished for is stopped", id=fact.id)
        wish = WorkloadDeclaredV1(
            id=fact.id,
            declarer=ServiceName.API,
            generation=fact.generation + 1,
            revision=fact.revision,
            wanted=Wanted.STOPPED,
        )
        await self._declarations.declare_stray(session, fact, wish)
