"""The steps of a workload: look, decide, record, act, come back.

``decide.py`` holds the rules; here are the effects. State and fact are recorded before the first
action, under the wish that the decision was made from: when a newer wish came meanwhile, nothing
is recorded or done and the step begins anew. A kill between any two calls changes nothing: the
next step sees what is there and goes on.
"""

from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadStatus
from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.errors import BackendError, CassiniError, GiveUp, Retry
from cassini.runtime.ownership import Ownership, observe_under
from cassini.runtime.reconcile import Claim, Settled
from services.provisioner.archive import Archive
from services.provisioner.backends.base import Backend
from services.provisioner.calls import in_time
from services.provisioner.decide import Action, Decision, Situation, Verb, decide, renewed
from services.provisioner.kinds.base import InvalidSpec
from services.provisioner.leases import Leases, LeaseView
from services.provisioner.models import Workload
from services.provisioner.plan import plan_pod
from services.provisioner.state import Verdict


class WorkloadSteps:
    """Brings workloads to what is wished of them."""

    def __init__(
        self,
        database: Database,
        workloads: Ownership[Workload],
        leases: Leases,
        backend: Backend,
        archive: Archive,
        clock: Clock,
    ) -> None:
        self._database = database
        self._workloads = workloads
        self._leases = leases
        self._backend = backend
        self._archive = archive
        self._clock = clock

    async def step(self, claim: Claim[Workload]) -> Settled[Workload]:
        """Take one step."""
        row, wish = claim.row, _wish_of(claim.row)
        async with self._database.read() as session:
            lease = await self._leases.look(session, wish)
        pods = await in_time(self._backend.list_pods(row.id))
        decision = decide(
            Situation(
                wish=wish,
                state=row.state(),
                pods=pods,
                now=self._clock.now(),
                waiting_for=lease.waiting_for,
                leases=frozenset(row.leases),
                tombstone=row.tombstone,
            )
        )
        if not await self._record(claim, decision):
            return Settled(again=0.0)
        for action in decision.actions:
            await self._act(action, claim, wish, lease)
        gone = _Gone(self._workloads, decision) if decision.gone else None
        return Settled(again=decision.again, write=gone)

    async def failed(
        self, session: AsyncSession, row: Workload, error: CassiniError, final: bool
    ) -> None:
        """Show why it does not go on. What will never work is not tried before a new revision."""
        wish = _wish_of(row)
        reason, status = _reason(error), _status(row, wish)
        if final and wish is not None and wish.wanted == Wanted.RUNNING:
            status = WorkloadStatus.ERROR
            verdict = Verdict(status=status, reason=reason, message=error.message)
            state = renewed(row.state(), wish, self._clock.now())
            row.keep(state.model_copy(update={"gave_up": verdict}))
        state, said = row.state(), row.fact or {}
        await self._workloads.observe(
            session,
            row,
            status=status,
            revision=state.revision if wish is None else wish.revision,
            reason=reason,
            message=error.message,
            pods=said.get("pods", ()),
            started_at=state.started_at,
        )

    async def _record(self, claim: Claim[Workload], decision: Decision) -> bool:
        """Write state, fact and leases that are not needed; False if the wish is not the same."""
        async with claim.write() as (session, row):
            if row.generation != claim.generation:
                return False
            row.keep(decision.state)
            if decision.ask:
                row.generation, row.wish, row.wish_digest = 0, None, ""
                observe_under(session, row, 0, "")
            await self._workloads.observe(session, row, **vars(decision.seen))
            await self._leases.release(session, row, decision.released)
        return True

    async def _act(
        self,
        action: Action,
        claim: Claim[Workload],
        wish: WorkloadDeclaredV1 | None,
        lease: LeaseView,
    ) -> None:
        backend, name, workload_id = self._backend, action.name, claim.row.id
        if action.verb is Verb.RECOVER_HOME:
            await in_time(backend.recover_home(workload_id))
        elif action.verb is Verb.DISCARD_HOME:
            await in_time(backend.discard_home(workload_id))
        elif name is None or wish is None:
            raise ValueError(f"{action} without a pod or a wish")
        elif action.verb is Verb.TERMINATE:
            await in_time(backend.terminate(name))
        elif action.verb is Verb.REMOVE:
            await self._archive.keep(claim, name)
            await in_time(backend.remove(name))
        else:
            try:
                plan = plan_pod(wish, name.rank, name.attempt)
            except InvalidSpec as error:
                raise GiveUp(str(error), reason="InvalidSpec") from error
            secrets = self._leases.open(wish, lease, plan.secret_variables)
            await in_time(backend.create(plan, secrets))


class _Gone:
    """Writes that a workload and its home are gone."""

    def __init__(self, workloads: Ownership[Workload], decision: Decision) -> None:
        self._workloads = workloads
        self._decision = decision

    async def __call__(self, session: AsyncSession, row: Workload) -> None:
        status = WorkloadStatus.ABSENT
        row.tombstone = True
        row.keep(self._decision.state.model_copy(update={"status": status}))
        await self._workloads.observe(
            session, row, status=status, revision=self._decision.seen.revision
        )


def _wish_of(row: Workload) -> WorkloadDeclaredV1 | None:
    return None if row.wish is None else WorkloadDeclaredV1.model_validate(row.wish)


def _reason(error: CassiniError) -> str:
    if isinstance(error, GiveUp | Retry):
        return error.reason
    return "BackendUnreachable" if isinstance(error, BackendError) else "InternalError"


def _status(row: Workload, wish: WorkloadDeclaredV1 | None) -> WorkloadStatus:
    """Keep saying what was said under this wish; nobody knows better now."""
    if wish is None:
        return WorkloadStatus.UNKNOWN
    if row.fact is not None and row.fact["generation"] == row.generation:
        return WorkloadStatus(row.fact["status"])
    running = wish.wanted == Wanted.RUNNING
    return WorkloadStatus.PENDING if running else WorkloadStatus.STOPPING
