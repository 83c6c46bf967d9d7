"""What to do for a workload: wish, memory and pods seen in, state, fact and actions out. Pure.

Level-triggered: each step decides from what is there now, so a step that was repeated, cut short
or late leads to the same end. The actions are safe to repeat. An attempt is in the state that is
returned (and recorded) before its ``CREATE`` is acted on. The old revision goes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import (
    PodObserved,
    WorkloadDeclaredV1,
    WorkloadStatus,
)
from services.provisioner.backends.base import Pod
from services.provisioner.observed import LIVE, observe_pods
from services.provisioner.plan import PodName
from services.provisioner.ranks import RankStep, judge_rank
from services.provisioner.state import State

_AT_ONCE = 0.0
_NET_SECONDS = 1.0
"""How soon to look again at what changes, when no hint comes."""
_RUNNING_SECONDS = 45.0
_UNKNOWN_SECONDS = 60.0
_PATIENCE_SECONDS = 600.0


class Verb(StrEnum):
    """What can be done."""

    TERMINATE = "terminate"
    REMOVE = "remove"
    RECOVER_HOME = "recover-home"
    CREATE = "create"
    DISCARD_HOME = "discard-home"


@dataclass(frozen=True)
class Action:
    """One call of the backend; a name where it is about a pod."""

    verb: Verb
    name: PodName | None = None


@dataclass(frozen=True)
class Seen:
    """What the fact says, but for its numbers."""

    status: WorkloadStatus
    revision: int
    reason: str | None = None
    message: str | None = None
    pods: tuple[PodObserved, ...] = ()
    started_at: float | None = None


@dataclass(frozen=True)
class Situation:
    """Everything a decision is made from. ``now`` is in Unix seconds."""

    wish: WorkloadDeclaredV1 | None
    state: State
    pods: Sequence[Pod]
    now: float
    waiting_for: tuple[str, ...] = ()
    """Environment variables whose secret values are not here yet."""
    leases: frozenset[int] = frozenset()
    """Revisions that hold a lease."""
    tombstone: bool = False


@dataclass(frozen=True)
class Decision:
    """What to record, then do, then look at again after so many seconds (None: no need)."""

    state: State
    seen: Seen
    actions: tuple[Action, ...] = ()
    again: float | None = None
    gone: bool = False
    """Once the actions are done all is absent: leave a tombstone."""
    ask: bool = False
    """Forget the wish and ask the declarer: what was found is newer."""
    released: frozenset[int] = field(default_factory=frozenset)
    """Revisions whose lease is not needed any more."""


def decide(situation: Situation) -> Decision:
    """Decide one step."""
    wish, state = situation.wish, situation.state
    newest = max((pod.name.revision for pod in situation.pods), default=0)
    if wish is None:
        return _unknown(situation, max(newest, state.asked_about), ask=False)
    if newest > max(wish.revision, state.asked_about):
        return _unknown(situation, newest, ask=True)
    situation = replace(situation, state=renewed(state, wish, situation.now))
    if wish.wanted == Wanted.RUNNING and wish.replicas > 0:
        decision = _run(situation, wish)
    else:
        decision = _end(situation, wish)
    return replace(decision, released=_released(situation, wish))


def renewed(state: State, wish: WorkloadDeclaredV1, now: float) -> State:
    """Return the state under this wish; a new revision begins anew, whatever crashed before."""
    if state.revision == wish.revision:
        return state.model_copy(update={"generation": wish.generation})
    return State(
        generation=wish.generation,
        revision=wish.revision,
        since=now,
        asked_about=state.asked_about,
    )


def _unknown(situation: Situation, newest: int, *, ask: bool) -> Decision:
    """Pods that no wish known here explains: this service's database is an older copy."""
    state = situation.state.model_copy(
        update={"asked_about": newest, "status": WorkloadStatus.UNKNOWN, "generation": 0}
    )
    seen = Seen(
        status=WorkloadStatus.UNKNOWN,
        revision=newest,
        reason="NoWishKnown",
        message="It was found running, but what is wished of it is not known: its owner is asked.",
        pods=observe_pods(situation.pods, ending=False, revision=newest),
        started_at=state.started_at,
    )
    return Decision(state, seen, again=_UNKNOWN_SECONDS, ask=ask)


def _released(situation: Situation, wish: WorkloadDeclaredV1) -> frozenset[int]:
    """Leases of revisions that are gone; newer ones than the wish read here stay."""
    needed = {pod.name.revision for pod in situation.pods}
    if wish.wanted == Wanted.RUNNING:
        needed.add(wish.revision)
    return frozenset(r for r in situation.leases if r <= wish.revision and r not in needed)


def _end(situation: Situation, wish: WorkloadDeclaredV1) -> Decision:
    """Stop, and with ``absent`` take the home away; done only when nothing is listed."""
    actions = _end_all(situation.pods)
    if actions:
        return _conclude(
            situation, WorkloadStatus.STOPPING, actions=actions, again=_after_ending(actions)
        )
    # Names do not come again: what was meant to exist counts as seen.
    ranks = tuple(r.model_copy(update={"seen": True}) for r in situation.state.ranks)
    situation = replace(situation, state=situation.state.model_copy(update={"ranks": ranks}))
    if wish.wanted != Wanted.ABSENT:
        # After a deletion that the declarer knows no more (it was restored) the home comes back.
        home = (Action(Verb.RECOVER_HOME),)
        return _conclude(situation, WorkloadStatus.STOPPED, actions=home)
    if situation.tombstone:
        return _conclude(situation, WorkloadStatus.ABSENT)
    home = (Action(Verb.DISCARD_HOME),)
    return replace(_conclude(situation, WorkloadStatus.STOPPING, actions=home), gone=True)


def _run(situation: Situation, wish: WorkloadDeclaredV1) -> Decision:
    surplus = [
        pod
        for pod in situation.pods
        if pod.name.revision != wish.revision or pod.name.rank >= wish.replicas
    ]
    if surplus:
        actions = _end_all(surplus)
        return _conclude(
            situation,
            WorkloadStatus.PENDING,
            reason="ReplacingRevision",
            message="What ran before is being stopped first.",
            actions=actions,
            again=_after_ending(actions),
        )
    state = situation.state
    if state.gave_up is not None:
        return _conclude(
            situation,
            state.gave_up.status,
            reason=state.gave_up.reason,
            message=state.gave_up.message,
        )
    steps = [
        judge_rank(
            state.rank(number) or number,
            [pod for pod in situation.pods if pod.name.rank == number],
            now=situation.now,
            waiting_for=situation.waiting_for,
        )
        for number in range(wish.replicas)
    ]
    return _join(situation, wish, steps)


def _join(situation: Situation, wish: WorkloadDeclaredV1, steps: list[RankStep]) -> Decision:
    """Make one state and status of all ranks: the least well decides."""
    worst = min(steps, key=lambda step: _ORDER.index(step.status))
    ranks = tuple(step.rank for step in steps if step.rank is not None)
    state = situation.state.model_copy(update={"ranks": ranks})
    if worst.status is WorkloadStatus.RUNNING and state.started_at is None:
        state = state.model_copy(update={"started_at": situation.now})
    actions: list[Action] = []
    for number, step in enumerate(steps):
        actions += [Action(Verb.TERMINATE, name) for name in step.terminate]
        actions += [Action(Verb.REMOVE, name) for name in step.remove]
        if step.create and step.rank is not None:
            name = PodName(wish.id, wish.revision, number, step.rank.attempt)
            actions += [Action(Verb.RECOVER_HOME), Action(Verb.CREATE, name)]
    waits = [step.again for step in steps if step.again is not None]
    if worst.status is WorkloadStatus.RUNNING:
        waits.append(_RUNNING_SECONDS)
    return _conclude(
        replace(situation, state=state),
        worst.status,
        reason=worst.reason,
        message=worst.message,
        actions=tuple(actions),
        again=min(waits, default=None),
    )


_ORDER = (
    WorkloadStatus.ERROR,
    WorkloadStatus.PENDING,
    WorkloadStatus.RUNNING,
    WorkloadStatus.COMPLETED,
)


def _conclude(
    situation: Situation,
    status: WorkloadStatus,
    *,
    reason: str | None = None,
    message: str | None = None,
    actions: tuple[Action, ...] = (),
    again: float | None = None,
) -> Decision:
    """Put state, fact and actions together; what takes long says so."""
    state = situation.state
    if state.status is not status:
        state = state.model_copy(update={"status": status, "since": situation.now})
    if status in {WorkloadStatus.PENDING, WorkloadStatus.STOPPING}:
        left = state.since + _PATIENCE_SECONDS - situation.now
        if left <= 0:
            message = f"{message or 'It is being stopped.'} This takes more than ten minutes."
    seen = Seen(
        status=status,
        revision=state.revision,
        reason=reason,
        message=message,
        pods=observe_pods(
            situation.pods,
            ending=status in {WorkloadStatus.STOPPING, WorkloadStatus.STOPPED},
            revision=state.revision,
        ),
        started_at=state.started_at,
    )
    return Decision(state, seen, actions=actions, again=again)


def _end_all(pods: Sequence[Pod]) -> tuple[Action, ...]:
    return tuple(
        Action(Verb.TERMINATE if pod.phase in LIVE else Verb.REMOVE, pod.name)
        for pod in sorted(pods, key=lambda pod: pod.name)
    )


def _after_ending(actions: Sequence[Action]) -> float:
    """Look again at once when something was removed, else when it may have ended."""
    return _AT_ONCE if all(a.verb is Verb.REMOVE for a in actions) else _NET_SECONDS
