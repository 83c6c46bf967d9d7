"""Start, stop, restart and delete: check, numbers, emit.

Every function works on a row that the caller has locked, in the caller's transaction. A start
whose image is not built, or one of whose secrets is not stored, is held: only the target is kept,
and the wish is emitted when both are (``resume``); a stop clears it. JupyterLab's token belongs to
one revision, so the wish that raises the revision carries it (``jupyter.py``).
"""

from collections.abc import Sequence
from typing import Literal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import Declared, ServiceName, Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadObservedV1, WorkloadSpec
from cassini.runtime.declarations import Numbers
from cassini.runtime.errors import Conflict, Invalid
from services.api.auth.tokens import revoke_resource_tokens
from services.api.context import ApiContext
from services.api.credentials import wishes as credentials
from services.api.images import wishes as images
from services.api.images.models import ImageTag
from services.api.people.owners import owners_by_id
from services.api.resources.jupyter import with_token
from services.api.resources.models import Workspace
from services.api.resources.secrets import NOTHING, Given, given_to, take_all_from
from services.api.resources.specs import workspace_spec
from services.api.resources.status import (
    ResourceStatus,
    Seen,
    held_by_image,
    not_seen,
    state_of,
)
from services.api.resources.surroundings import Surroundings, look_around

_STOPPED = Seen(ResourceStatus.STOPPED)
_Wanted = Literal[Wanted.RUNNING, Wanted.STOPPED, Wanted.ABSENT]


class Lifecycle:
    """The verbs of resources."""

    def __init__(self, api: ApiContext) -> None:
        self._api = api

    async def create(self, session: AsyncSession, row: Workspace) -> None:
        """Give a new resource its token; nothing runs yet, so no workload is wished for."""
        session.add(row)
        await self.renew_token(session, row)

    async def start(
        self, session: AsyncSession, row: Workspace, around: Surroundings, *, debug_mode: bool
    ) -> None:
        """Have it run; nothing to do where that is wanted already and nothing failed.

        Raises:
            Invalid: its size is not offered any more.
            Conflict: it lacks a secret.
        """
        if row.wants_to_run and row.status != ResourceStatus.ERROR:
            return
        await self.restart(session, row, around, debug_mode=debug_mode)

    async def restart(
        self, session: AsyncSession, row: Workspace, around: Surroundings, *, debug_mode: bool
    ) -> None:
        """Have it run from new processes, made from the row as it is now.

        Raises:
            Invalid: its size is not offered any more.
            Conflict: it lacks a secret.
        """
        around.sizes.get(row.instance_size)
        given = await self._given(session, row)
        given.require_filled(row.name)
        row.debug_mode = debug_mode
        await self._build_again(session, row, around)
        await self._run_or_hold(session, row, around, given)

    async def edited(self, session: AsyncSession, row: Workspace, around: Surroundings) -> None:
        """Take an edit in: only a start that is still held is about the row as it is now."""
        if row.held:
            await self._build_again(session, row, around)
            await self.resume(session, [row], around)

    async def secrets_changed(self, session: AsyncSession, rows: Sequence[Workspace]) -> None:
        """Take in that rows are given other secrets, or that more is known of their values."""
        given = await given_to(session, [row.id for row in rows])
        for row in rows:
            row.secrets_digest = given.get(row.id, NOTHING).digest()
            session.add(row)
        if held := [row for row in rows if row.held]:
            await self.resume(session, held, await look_around(session, self._api, held))

    async def stop(self, session: AsyncSession, row: Workspace) -> None:
        """Have nothing run; nothing to do where that is wanted already."""
        was_held, row.held = row.held, False
        failed_to_stop = row.wanted is not None and row.status == ResourceStatus.ERROR
        if row.wanted == Wanted.RUNNING or (failed_to_stop and not was_held):
            await self._wish(session, row, Wanted.STOPPED)
        elif was_held:
            fact = await self._api.declarations.fact(session, "workload", row.id)
            if isinstance(fact, WorkloadObservedV1) and row.wanted is not None:
                show(row, state_of(Wanted.STOPPED, row.generation, fact))
            else:
                show(row, _STOPPED)

    async def delete(self, session: AsyncSession, row: Workspace, *, allow_active: bool) -> None:
        """Take it out of sight and wish it absent; its name is free, its tokens end at once.

        Raises:
            Conflict: it is not stopped, and ``allow_active`` is not set.
        """
        if row.status != ResourceStatus.STOPPED and not allow_active:
            raise Conflict(
                f"{row.name} is {row.status}: stop it first, or delete it with allow_active=true.",
                code="resource_active",
            )
        now = self._api.clock.now()
        await revoke_resource_tokens(session, row.id, now=now)
        row.deleted_at, row.held = now, False
        await take_all_from(session, row.id)
        await self._wish(session, row, Wanted.ABSENT)

    async def release(self, session: AsyncSession, tag: ImageTag) -> None:
        """Let the starts go on that wait for an image, or fail with it."""
        waiting = select(Workspace).where(
            col(Workspace.held), col(Workspace.image_tag_id) == tag.id
        )
        rows = (await session.exec(waiting.order_by(col(Workspace.id)).with_for_update())).all()
        await self.resume(session, rows, await look_around(session, self._api, rows))

    async def resume(
        self, session: AsyncSession, rows: Sequence[Workspace], around: Surroundings
    ) -> None:
        """Let held starts go on, go on waiting, or fail, as things are now."""
        given = await given_to(session, [row.id for row in rows])
        for row in rows:
            try:
                await self._run_or_hold(session, row, around, given.get(row.id, NOTHING))
            except Invalid as error:
                show(row, Seen(ResourceStatus.ERROR, "UnknownSize", error.message))
            except Conflict as error:
                show(row, Seen(ResourceStatus.ERROR, "SecretMissing", error.message))

    async def observed(
        self, session: AsyncSession, row: Workspace, fact: WorkloadObservedV1
    ) -> None:
        """Take in the newest fact about a resource."""
        if row.deleted_at is not None:
            if fact.status == "absent" and fact.generation == row.generation:
                await credentials.remove(session, self._api, row.id)
                await session.delete(row)
            return
        seen = state_of(Wanted(row.wanted or Wanted.STOPPED), row.generation, fact)
        if not row.held:
            show(row, seen)
        row.started_at = fact.started_at or row.started_at
        row.address = _address(fact) if seen.status == ResourceStatus.RUNNING else None
        current = fact.generation == row.generation
        if current and fact.status == "completed" and row.wanted == Wanted.RUNNING:
            await self._wish(session, row, Wanted.STOPPED)
        elif row.self_destruct and not row.held and seen.status == ResourceStatus.STOPPED:
            await self.delete(session, row, allow_active=False)

    async def jumped(self, session: AsyncSession, row: Workspace) -> None:
        """Follow the numbers that a restored database jumped past."""
        wish = await self._last_wish(session, row)
        if wish is not None:
            row.generation, row.address = wish.generation, None
            if wish.wanted == Wanted.RUNNING and not row.held:
                show(row, not_seen(Wanted.RUNNING))

    async def renewed(self, session: AsyncSession, wish: Declared) -> Declared:
        """Return a wish whose numbers a jump raised: with its revision's token, and our secrets."""
        if not isinstance(wish, WorkloadDeclaredV1) or wish.spec is None:
            return wish
        ours = await credentials.secret_variables(session, wish.id)
        names = {each.variable for each in ours}
        theirs = tuple(each for each in wish.spec.secrets if each.variable not in names)
        spec = wish.spec.model_copy(update={"secrets": ours + theirs})
        return with_token(self._api, wish.model_copy(update={"spec": spec}))

    async def found_running(self, session: AsyncSession, row: Workspace) -> None:
        """Follow the wish to stop that answered for what a restored database did not know of."""
        wish = await self._last_wish(session, row)
        if wish is not None:
            row.generation, row.wanted = wish.generation, Wanted.STOPPED.value
            show(row, not_seen(Wanted.STOPPED))

    async def renew_token(self, session: AsyncSession, row: Workspace) -> None:
        """Give a resource a token that the store does not have, or has another of."""
        owner = (await owners_by_id(session, {row.owner_id}))[row.owner_id]
        await credentials.renew_token(
            session, self._api, resource_id=row.id, resource_type="workspace", owner=owner
        )

    async def _build_again(
        self, session: AsyncSession, row: Workspace, around: Surroundings
    ) -> None:
        tag, _ = around.tags[row.image_tag_id]
        if tag.status == ImageStatus.ERROR:
            await images.declare(session, self._api, tag)

    async def _given(self, session: AsyncSession, row: Workspace) -> Given:
        return (await given_to(session, [row.id])).get(row.id, NOTHING)

    async def _run_or_hold(
        self, session: AsyncSession, row: Workspace, around: Surroundings, given: Given
    ) -> None:
        """Emit the wish of a new revision, or keep that it waits, and for what.

        Raises:
            Invalid: its size is not offered any more.
            Conflict: it lacks a secret.
        """
        given.require_filled(row.name)
        tag, _ = around.tags[row.image_tag_id]
        if tag.status != ImageStatus.BUILT or not tag.reference:
            seen = held_by_image(ImageStatus(tag.status), tag.reason, tag.message)
        elif (waiting := given.waiting()) is not None:
            seen = waiting
        else:
            await self._run(session, row, around, tag.reference, given)
            return
        row.held = True
        show(row, seen)

    async def _run(
        self,
        session: AsyncSession,
        row: Workspace,
        around: Surroundings,
        reference: str,
        given: Given,
    ) -> None:
        """Emit the wish of a new revision.

        Raises:
            Invalid: its size is not offered any more.
        """
        spec = workspace_spec(
            row,
            owner=around.owners[row.owner_id],
            base_url=self._api.settings.url_for_workloads,
            image=reference,
            size=around.sizes.get(row.instance_size),
            secrets=await credentials.secret_variables(session, row.id) + given.variables(),
            secret_files=given.files(),
        )
        row.held, row.secrets_digest = False, given.digest()
        row.started_digest = row.settings_digest()
        await self._wish(session, row, Wanted.RUNNING, spec, new_revision=True)

    async def _wish(
        self,
        session: AsyncSession,
        row: Workspace,
        wanted: _Wanted,
        spec: WorkloadSpec | None = None,
        *,
        new_revision: bool = False,
    ) -> None:
        def make(numbers: Numbers) -> WorkloadDeclaredV1:
            wish = WorkloadDeclaredV1(
                id=row.id,
                declarer=ServiceName.API,
                generation=numbers.generation,
                revision=numbers.revision,
                wanted=wanted,
                spec=spec or (None if wanted == Wanted.ABSENT else _snapshot(numbers.last)),
            )
            return with_token(self._api, wish)

        wish = await self._api.declarations.declare(
            session, "workload", row.id, make, new_revision=new_revision
        )
        row.generation, row.wanted = wish.generation, wanted.value
        row.address = None
        show(row, not_seen(wanted))
        session.add(row)

    async def _last_wish(self, session: AsyncSession, row: Workspace) -> WorkloadDeclaredV1 | None:
        wish = await self._api.declarations.wish(session, "workload", row.id)
        return wish if isinstance(wish, WorkloadDeclaredV1) else None


def show(row: Workspace, seen: Seen) -> None:
    """Write a state into a row."""
    row.status, row.reason, row.message = seen.status.value, seen.reason, seen.message


def _snapshot(wish: Declared | None) -> WorkloadSpec | None:
    return wish.spec if isinstance(wish, WorkloadDeclaredV1) else None


def _address(fact: WorkloadObservedV1) -> str | None:
    """Return where rank 0 of the running revision answers."""
    for pod in fact.pods:
        if pod.rank == 0 and pod.revision == fact.revision and pod.endpoints:
            endpoint = pod.endpoints[0]
            host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
            return f"http://{host}:{endpoint.port}/"
    return None
