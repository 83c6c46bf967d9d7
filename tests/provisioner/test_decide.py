"""The table of decisions: what is wished, known and seen, and what follows."""

import pytest

from cassini.contracts.workloads import WorkloadStatus
from services.provisioner.backends.base import EndReason, Pod, PodPhase, StepReport
from services.provisioner.decide import Action, Situation, Verb, decide
from services.provisioner.plan import PodName
from services.provisioner.state import Rank, State, Verdict
from tests.provisioner.wishes import WORKLOAD, make_wish

NOW = 1_800_000_000.0
RUN, STOP, ABSENT = (
    make_wish(generation=4, revision=2, wanted=wanted)
    for wanted in ("running", "stopped", "absent")
)


def name(revision=2, rank=0, attempt=1) -> PodName:
    return PodName(WORKLOAD, revision, rank, attempt)


def pod(phase=PodPhase.STARTED, *, revision=2, rank=0, attempt=1, **changes) -> Pod:
    return Pod(name(revision, rank, attempt), "api", phase, **changes)


def ended(code=1, reason=EndReason.EXITED, **changes) -> Pod:
    return pod(PodPhase.ENDED, exit_code=code, reason=reason, finished_at=NOW, **changes)


def known(attempt=1, **changes) -> State:
    rank = Rank(rank=0, attempt=attempt, **({"seen": True} | changes))
    return State(generation=4, revision=2, ranks=(rank,), since=NOW)


def judge(wish=RUN, pods=(), state=None, **changes):
    return decide(Situation(wish, state or State(), pods, NOW, **changes))


def do(verb, *names):
    return tuple(Action(verb, each) for each in names)


MAKE = (Action(Verb.RECOVER_HOME),)
READY = pod(ready=True)
STARTING = pod(PodPhase.STARTING)
LOST = pod(PodPhase.LOST)
OTHER, OTHER_ENDED = pod(revision=1), ended(revision=1)
TWO_LIVE = [pod(revision=1), pod(PodPhase.STARTING, revision=2)]

TABLE = {
    # wish, pods, state -> status, reason, actions
    "nothing yet": (RUN, [], State(), "pending", "Starting", (*MAKE, *do(Verb.CREATE, name()))),
    "intended, not there": (
        *(RUN, [], known(3, seen=False), "pending", "Starting"),
        (*MAKE, *do(Verb.CREATE, name(attempt=3))),
    ),
    "there, not remembered": (RUN, [READY], State(), "running", None, ()),
    "starting": (RUN, [STARTING], known(), "pending", "Preparing", ()),
    "its making was cut short": (
        *(RUN, [pod(PodPhase.STARTING, begun=False)], known(), "pending", "Starting"),
        (*MAKE, *do(Verb.CREATE, name())),
    ),
    "started, not ready": (RUN, [pod()], known(), "pending", "WaitingForAnswer", ()),
    "ready": (RUN, [READY], known(), "running", None, ()),
    "was ready": (RUN, [pod()], known(was_ready=True), "running", "NotAnswering", ()),
    "old one runs": (
        *(RUN, [OTHER], State(), "pending", "ReplacingRevision"),
        do(Verb.TERMINATE, name(1)),
    ),
    "old one ended": (
        *(RUN, [OTHER_ENDED], State(), "pending", "ReplacingRevision"),
        do(Verb.REMOVE, name(1)),
    ),
    "a rank too many": (
        *(RUN, [READY, pod(rank=1)], known(), "pending", "ReplacingRevision"),
        do(Verb.TERMINATE, name(rank=1)),
    ),
    "crashed": (RUN, [ended()], known(), "pending", "RestartBackOff", ()),
    "crashed, time has come": (
        *(RUN, [ended()], known(2, seen=False, not_before=NOW), "pending", "Starting"),
        (*do(Verb.REMOVE, name()), *MAKE, *do(Verb.CREATE, name(attempt=2))),
    ),
    "crashed too often": (RUN, [ended()], known(failures=3), "error", "Crashed", ()),
    "out of memory too often": (
        *(RUN, [ended(137, EndReason.OOM_KILLED)], known(failures=3), "error", "OOMKilled"),
        (),
    ),
    "backend could not start it, too often": (
        *(RUN, [ended(None, EndReason.START_FAILED)], known(failures=3), "error", "StartFailed"),
        (),
    ),
    "preparation failed": (
        *(RUN, [ended(9, EndReason.PREPARATION_FAILED)], known(), "error", "PreparationFailed"),
        (),
    ),
    "ended well": (RUN, [ended(0)], known(), "completed", "Completed", ()),
    "lost": (
        *(RUN, [LOST], known(), "pending", "Starting"),
        (*do(Verb.REMOVE, name()), *MAKE, *do(Verb.CREATE, name(attempt=2))),
    ),
    "stopped by nobody's wish": (
        *(RUN, [ended(143, EndReason.STOPPED)], known(), "pending", "Starting"),
        (*do(Verb.REMOVE, name()), *MAKE, *do(Verb.CREATE, name(attempt=2))),
    ),
    "vanished": (
        *(RUN, [], known(), "pending", "Starting"),
        (*MAKE, *do(Verb.CREATE, name(attempt=2))),
    ),
    "older attempt still runs": (
        *(RUN, [pod()], known(2, seen=False), "pending", "ReplacingAttempt"),
        do(Verb.TERMINATE, name()),
    ),
    "stop, running": (STOP, [READY], known(), "stopping", None, do(Verb.TERMINATE, name())),
    "stop, starting": (STOP, [STARTING], known(), "stopping", None, do(Verb.TERMINATE, name())),
    "stop, ended": (STOP, [ended()], known(), "stopping", None, do(Verb.REMOVE, name())),
    "stop, lost": (STOP, [LOST], known(), "stopping", None, do(Verb.REMOVE, name())),
    "stop, two": (
        *(STOP, [OTHER_ENDED, READY], known(), "stopping", None),
        (*do(Verb.REMOVE, name(1)), *do(Verb.TERMINATE, name())),
    ),
    "stop, nothing": (STOP, [], known(), "stopped", None, (Action(Verb.RECOVER_HOME),)),
    "absent, running": (ABSENT, [READY], known(), "stopping", None, do(Verb.TERMINATE, name())),
    "absent, nothing": (ABSENT, [], known(), "stopping", None, (Action(Verb.DISCARD_HOME),)),
}


@pytest.mark.parametrize("case", TABLE)
def test_decision(case):
    wish, pods, state, status, reason, actions = TABLE[case]
    decision = judge(wish, pods, state)
    assert decision.seen.status == status
    assert decision.seen.reason == reason
    assert decision.actions == actions


@pytest.mark.parametrize("case", TABLE)
def test_a_decision_made_again_before_its_actions_is_the_same_one(case):
    wish, pods, state, *_ = TABLE[case]
    first = judge(wish, pods, state)
    second = judge(wish, pods, first.state)
    assert (second.actions, second.seen) == (first.actions, first.seen)
    assert second.state == first.state


@pytest.mark.parametrize("case", TABLE)
def test_an_attempt_is_in_the_state_before_it_is_made(case):
    wish, pods, state, *_ = TABLE[case]
    decision = judge(wish, pods, state)
    for action in decision.actions:
        if action.verb is Verb.CREATE:
            assert decision.state.rank(action.name.rank).attempt == action.name.attempt


def test_absent_is_done_when_the_home_is_gone_and_not_done_twice():
    assert judge(ABSENT).gone
    again = judge(ABSENT, tombstone=True)
    assert (again.gone, again.actions, again.seen.status) == (False, (), "absent")


def test_secrets_that_are_not_here_are_waited_for_by_name():
    decision = judge(waiting_for=("SATURN_TOKEN", "KEY"))
    assert (decision.seen.status, decision.seen.reason) == ("pending", "WaitingForSecrets")
    assert "SATURN_TOKEN, KEY" in decision.seen.message
    assert decision.actions == ()


def test_a_pod_that_runs_does_not_wait_for_secrets():
    assert judge(pods=[READY], waiting_for=("KEY",)).seen.status == "running"


@pytest.mark.parametrize(("failures", "delay"), [(0, 1), (1, 2), (2, 4)])
def test_back_off_doubles(failures, delay):
    decision = judge(pods=[ended()], state=known(failures=failures))
    assert decision.again == delay
    assert decision.state.rank(0).failures == failures + 1


def test_a_crash_after_ten_minutes_of_being_ready_is_the_first_one():
    state = known(failures=3, ready_since=NOW - 600, was_ready=True)
    assert judge(pods=[ended()], state=state).state.rank(0).failures == 1


def test_the_first_loss_is_made_good_at_once_and_later_ones_slower():
    assert judge(pods=[LOST], state=known()).seen.reason == "Starting"
    decision = judge(pods=[LOST], state=known(losses=3))
    assert (decision.seen.reason, decision.again) == ("RestartBackOff", 4.0)
    assert decision.state.rank(0).failures == 0


def test_what_ended_for_good_stays_so_when_its_pod_is_gone():
    verdict = Verdict(status=WorkloadStatus.ERROR, reason="Crashed", message="m")
    decision = judge(state=known(verdict=verdict))
    assert (decision.seen.status, decision.actions, decision.again) == ("error", (), None)


def test_a_new_revision_begins_anew():
    verdict = Verdict(status=WorkloadStatus.ERROR, reason="Crashed")
    old = known(failures=3, verdict=verdict).model_copy(
        update={"revision": 1, "gave_up": verdict, "started_at": 1.0}
    )
    decision = judge(state=old)
    assert decision.actions == (*MAKE, *do(Verb.CREATE, name()))
    assert decision.state.started_at is None


def test_a_name_is_not_used_again_after_a_stop():
    stopped = judge(STOP, state=known(seen=False)).state
    started = judge(make_wish(generation=5, revision=2), state=stopped)
    assert started.actions[-1] == Action(Verb.CREATE, name(attempt=2))


def test_started_at_is_when_the_revision_was_first_ready():
    first = judge(pods=[READY], state=known())
    assert first.seen.started_at == NOW
    state = first.state.model_copy(update={"started_at": NOW - 50})
    assert judge(pods=[READY], state=state).seen.started_at == NOW - 50


def test_no_replicas_means_nothing_runs():
    wish = make_wish(generation=4, revision=2, replicas=0)
    assert judge(wish, [READY]).actions == do(Verb.TERMINATE, name())
    assert judge(wish).seen.status == "stopped"


def test_the_least_well_rank_decides():
    wish = make_wish(generation=4, revision=2, replicas=2)
    decision = judge(wish, [READY])
    assert decision.seen.status == "pending"
    assert decision.actions == (*MAKE, *do(Verb.CREATE, name(rank=1)))
    assert judge(wish, [READY, pod(rank=1, ready=True)]).seen.status == "running"


@pytest.mark.parametrize("wish", [RUN, STOP, ABSENT])
def test_pods_newer_than_the_wish_are_asked_about_and_not_touched(wish):
    decision = judge(wish, [pod(revision=5)])
    assert (decision.ask, decision.actions) == (True, ())
    assert (decision.seen.status, decision.seen.revision) == ("unknown", 5)


def test_pods_that_were_asked_about_end_after_the_answer():
    decision = judge(RUN, [pod(revision=5)], State(asked_about=5))
    assert (decision.ask, decision.actions) == (False, do(Verb.TERMINATE, name(5)))


def test_pods_without_a_wish_are_not_touched():
    decision = judge(None, [pod(revision=5), OTHER])
    assert (decision.ask, decision.actions, decision.gone) == (False, (), False)
    assert decision.seen.reason == "NoWishKnown"


@pytest.mark.parametrize(
    ("wish", "pods", "released"),
    [
        (RUN, [READY], {1}),
        (RUN, [OTHER], set()),
        (STOP, [READY], {1}),
        (STOP, [], {1, 2}),
        (ABSENT, [], {1, 2}),
    ],
)
def test_leases_of_revisions_that_are_gone_are_given_back(wish, pods, released):
    assert judge(wish, pods, leases=frozenset({1, 2, 3})).released == released


def test_preparation_says_which_step_runs():
    steps = (
        StepReport("directories", "begin", NOW),
        StepReport("directories", "done", NOW),
        StepReport("packages", "begin", NOW),
    )
    decision = judge(pods=[pod(PodPhase.STARTING, steps=steps)])
    assert decision.seen.message == "Preparing: installing the extra packages."


def test_a_failed_main_command_in_debug_mode_is_told():
    steps = (StepReport("main", "begin", NOW), StepReport("main", "failed", NOW, 9))
    decision = judge(pods=[pod(steps=steps)])
    assert (decision.seen.status, decision.seen.reason) == ("pending", "MainCommandFailed")
    assert "exit code 9" in decision.seen.message


@pytest.mark.parametrize(("wish", "pods"), [(RUN, [STARTING]), (STOP, [READY])])
def test_what_takes_long_says_so(wish, pods):
    state = judge(wish, pods, known()).state
    late = decide(Situation(wish, state, pods, NOW + 600))
    assert late.seen.message.endswith("This takes more than ten minutes.")


def test_it_comes_back_soon_while_starting_and_seldom_while_running():
    assert judge(pods=[STARTING]).again <= 2
    assert 30 <= judge(pods=[READY]).again <= 60
    assert judge(STOP).again is None
