"""What to do for one rank: its memory and its pods in, what follows out. Pure.

A crash is started again as the next attempt, three times with back-off, then the rank is in
error; ten minutes of being ready clear the count. What the workload did not cause (the host
restarted, the port was taken, its keeper was killed) is started again without counting. A
preparation that fails is an error at once: it would fail again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from cassini.contracts.workloads import WorkloadStatus
from services.provisioner.backends.base import EndReason, Pod, PodPhase
from services.provisioner.observed import LIVE, describe_end, describe_start, failed_main
from services.provisioner.plan import PodName
from services.provisioner.state import Rank, Verdict

MOST_RESTARTS = 3
STEADY_SECONDS = 600.0
"""Being ready for so long clears the count of crashes."""

_STARTING_SECONDS = 2.0
_SECRETS_SECONDS = 10.0
_NET_SECONDS = 1.0
_LONGEST_LOSS_DELAY = 60.0

_UNCOUNTED = frozenset(
    {
        EndReason.STOPPED,
        EndReason.PORT_TAKEN,
        EndReason.HOST_RESTARTED,
        EndReason.KEEPER_KILLED,
    }
)


@dataclass(frozen=True)
class RankStep:
    """What follows for one rank; ``rank`` None: nothing is meant to exist yet."""

    rank: Rank | None
    status: WorkloadStatus
    reason: str | None = None
    message: str | None = None
    terminate: tuple[PodName, ...] = ()
    remove: tuple[PodName, ...] = ()
    create: bool = False
    again: float | None = None


class _Ending(Enum):
    COMPLETED = auto()
    HOPELESS = auto()
    CRASHED = auto()
    LOST = auto()


def judge_rank(
    known: Rank | int, pods: Sequence[Pod], *, now: float, waiting_for: tuple[str, ...]
) -> RankStep:
    """Decide for one rank.

    Args:
        known: what is remembered of it, or only its number.
        pods: its pods of the current revision.
        now: Unix seconds.
        waiting_for: variables whose secret values are not here yet.
    """
    rank = known if isinstance(known, Rank) else None
    number = known.rank if isinstance(known, Rank) else known
    newest = max(pods, key=lambda pod: pod.name.attempt, default=None)
    if newest is not None and (rank is None or newest.name.attempt > rank.attempt):
        # Found, and further than remembered: made just before a crash, or by an older copy's
        # future. It is taken as it is.
        rank = Rank(rank=number, attempt=newest.name.attempt)
    if rank is not None and newest is not None and newest.name.attempt == rank.attempt:
        rank = rank.model_copy(update={"seen": True})
        if not newest.begun:
            others = [pod for pod in pods if pod is not newest]
            return _missing(rank, number, others, now, waiting_for)
        if newest.phase in LIVE:
            older = [pod for pod in pods if pod is not newest]
            return _living(rank, newest, older, now)
        rank = _ended(rank, newest, now)
    elif rank is not None and rank.verdict is None and rank.seen:
        rank = _lost(rank, "It vanished.", now)
    return _missing(rank, number, pods, now, waiting_for)


def _living(rank: Rank, pod: Pod, older: Sequence[Pod], now: float) -> RankStep:
    """A pod that starts or runs. Older attempts end beside it; their remains go with the rest."""
    terminate = tuple(each.name for each in older if each.phase in LIVE)
    rank = rank.model_copy(update={"verdict": None})
    if pod.ready:
        since = now if rank.ready_since is None else rank.ready_since
        steady = now - since >= STEADY_SECONDS
        rank = rank.model_copy(update={"was_ready": True, "ready_since": since})
        if steady:
            rank = rank.model_copy(update={"failures": 0, "losses": 0, "why": None})
        return RankStep(rank, WorkloadStatus.RUNNING, terminate=terminate)
    rank = rank.model_copy(update={"ready_since": None})
    status, again = WorkloadStatus.PENDING, _STARTING_SECONDS
    if (code := failed_main(pod)) is not None:
        reason, again = "MainCommandFailed", 30.0
        message = f"The main command failed (exit code {code}); debug mode keeps its pod up."
    elif rank.was_ready:
        status, reason = WorkloadStatus.RUNNING, "NotAnswering"
        message = "It runs, but does not answer now."
    elif pod.phase is PodPhase.STARTED:
        reason, message = "WaitingForAnswer", "It is started and does not answer yet."
    else:
        reason, message = "Preparing", describe_start(pod)
    return RankStep(rank, status, reason, message, terminate=terminate, again=again)


def _missing(
    rank: Rank | None,
    number: int,
    pods: Sequence[Pod],
    now: float,
    waiting_for: tuple[str, ...],
) -> RankStep:
    """No pod of the attempt that is meant to exist: make it, when its time has come."""
    if rank is not None and rank.verdict is not None:
        verdict = rank.verdict
        return RankStep(rank, verdict.status, verdict.reason, verdict.message)
    pending = WorkloadStatus.PENDING
    why = "" if rank is None or rank.why is None else f" Before that: {rank.why}"
    if rank is not None and now < rank.not_before:
        message = f"It is started again in a moment.{why}"
        return RankStep(rank, pending, "RestartBackOff", message, again=rank.not_before - now)
    if waiting_for:
        message = f"Waits for the secret values of {', '.join(waiting_for)}.{why}"
        return RankStep(rank, pending, "WaitingForSecrets", message, again=_SECRETS_SECONDS)
    live = tuple(pod.name for pod in pods if pod.phase in LIVE)
    if live:
        message = f"An older attempt is being stopped first.{why}"
        return RankStep(
            rank, pending, "ReplacingAttempt", message, terminate=live, again=_NET_SECONDS
        )
    return RankStep(
        rank or Rank(rank=number, attempt=1),
        pending,
        "Starting",
        f"The pod is being made.{why}",
        remove=tuple(sorted(pod.name for pod in pods)),
        create=True,
        again=_STARTING_SECONDS,
    )


def _ended(rank: Rank, pod: Pod, now: float) -> Rank:
    """Judge how the current attempt ended: for good, or the next one is meant to exist."""
    if rank.verdict is not None:
        return rank
    why, ending = describe_end(pod), _classify(pod)
    if ending is _Ending.LOST:
        return _lost(rank, why, now)
    if ending is _Ending.COMPLETED:
        verdict = Verdict(status=WorkloadStatus.COMPLETED, reason="Completed", message=why)
        return rank.model_copy(update={"verdict": verdict})
    ended_at = pod.finished_at or now
    steady = rank.ready_since is not None and ended_at - rank.ready_since >= STEADY_SECONDS
    failures = 0 if steady else rank.failures
    if ending is _Ending.HOPELESS or failures >= MOST_RESTARTS:
        crashed = ending is _Ending.CRASHED
        times = f" It crashed {failures + 1} times in a row." if crashed else ""
        return rank.model_copy(
            update={
                "verdict": Verdict(
                    status=WorkloadStatus.ERROR, reason=_reason(pod), message=why + times
                )
            }
        )
    return Rank(
        rank=rank.rank,
        attempt=rank.attempt + 1,
        failures=failures + 1,
        losses=rank.losses,
        not_before=now + 2.0**failures,
        why=why,
    )


def _lost(rank: Rank, why: str, now: float) -> Rank:
    delay = 0.0 if rank.losses == 0 else min(2.0 ** (rank.losses - 1), _LONGEST_LOSS_DELAY)
    return Rank(
        rank=rank.rank,
        attempt=rank.attempt + 1,
        failures=rank.failures,
        losses=min(rank.losses + 1, 16),
        not_before=now + delay,
        why=why,
    )


def _classify(pod: Pod) -> _Ending:
    if pod.phase is PodPhase.LOST or pod.reason in _UNCOUNTED:
        return _Ending.LOST
    if pod.reason is EndReason.PREPARATION_FAILED:
        return _Ending.HOPELESS
    if pod.exit_code == 0 and pod.reason in {None, EndReason.EXITED}:
        return _Ending.COMPLETED
    return _Ending.CRASHED


def _reason(pod: Pod) -> str:
    """Name the cause in one word; a main command that exits by itself is a crash loop by now."""
    return "Crashed" if pod.reason in {None, EndReason.EXITED} else str(pod.reason)
