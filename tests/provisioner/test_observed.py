import pytest

from cassini.contracts.workloads import PodStatus
from services.provisioner.backends.base import EndReason, Pod, PodEndpoint, PodPhase, StepReport
from services.provisioner.observed import describe_end, observe_pods
from services.provisioner.plan import PodName
from tests.provisioner.wishes import WORKLOAD

STEPS = (
    StepReport("directories", "begin", 10.0),
    StepReport("directories", "done", 11.0),
    StepReport("packages", "begin", 11.0),
    StepReport("packages", "done", 15.0),
    StepReport("start-script", "begin", 15.0),
    StepReport("start-script", "done", 16.0),
    StepReport("main", "begin", 16.0),
)


def pod(phase=PodPhase.STARTED, revision=1, rank=0, attempt=1, **changes) -> Pod:
    return Pod(PodName(WORKLOAD, revision, rank, attempt), "api", phase, **changes)


def observe(*pods, ending=False, revision=1):
    return observe_pods(pods, ending=ending, revision=revision)


def conditions(steps, **changes) -> dict[str, bool]:
    (seen,) = observe(pod(PodPhase.STARTING, steps=steps, **changes))
    return {each.type: each.status for each in seen.conditions}


@pytest.mark.parametrize(
    ("each", "status"),
    [
        (pod(PodPhase.STARTING), PodStatus.PENDING),
        (pod(), PodStatus.RUNNING),
        (pod(PodPhase.LOST), PodStatus.UNKNOWN),
        (pod(PodPhase.ENDED, exit_code=0, reason=EndReason.EXITED), PodStatus.COMPLETED),
        (pod(PodPhase.ENDED, exit_code=1, reason=EndReason.EXITED), PodStatus.ERROR),
        (pod(PodPhase.ENDED, exit_code=0, reason=EndReason.STOPPED), PodStatus.STOPPED),
        (pod(PodPhase.ENDED, reason=EndReason.OOM_KILLED), PodStatus.ERROR),
        (pod(revision=2), PodStatus.STOPPING),
    ],
)
def test_status_of_a_pod(each, status):
    assert observe(each)[0].status == status


def test_live_pods_of_a_workload_that_ends_are_stopping():
    assert observe(pod(), ending=True)[0].status == PodStatus.STOPPING


def test_the_newest_revision_comes_first_then_ranks_then_the_newest_attempt():
    pods = [pod(revision=r, rank=k, attempt=a) for r in (1, 2) for k in (0, 1) for a in (1, 2)]
    seen = [(each.revision, each.rank, each.attempt) for each in observe(*pods)]
    assert seen[:3] == [(2, 0, 2), (2, 0, 1), (2, 1, 2)]
    assert seen[-1] == (1, 1, 1)


def test_endpoints_are_told():
    (seen,) = observe(pod(endpoints=(PodEndpoint(8888, "127.0.0.1", 4321),)))
    assert [(e.container_port, e.host, e.port) for e in seen.endpoints] == [
        (8888, "127.0.0.1", 4321)
    ]


def test_conditions_follow_the_steps_of_the_start():
    names = ["Scheduled", "ImagePulled", "EnvironmentPrepared", "StartScriptExecuted", "Ready"]
    assert list(conditions(())) == names
    reached = [
        sum(conditions(STEPS[:count], created_at=9.0).values()) for count in range(len(STEPS) + 1)
    ]
    assert reached == [1, 2, 2, 2, 2, 3, 3, 4]


def test_the_condition_of_the_running_step_says_what_is_done():
    (seen,) = observe(pod(PodPhase.STARTING, steps=STEPS[:3]))
    environment = next(each for each in seen.conditions if each.type == "EnvironmentPrepared")
    assert (environment.status, environment.message) == (False, "installing the extra packages")


@pytest.mark.parametrize(
    ("each", "sentence"),
    [
        (
            pod(
                PodPhase.ENDED,
                reason=EndReason.PREPARATION_FAILED,
                steps=(*STEPS[:3], StepReport("packages", "failed", 12.0, 3)),
            ),
            "The preparation failed at installing the extra packages (exit code 3); see the log.",
        ),
        (
            pod(PodPhase.ENDED, exit_code=127, reason=EndReason.EXITED),
            "The main command ended (exit code 127): there is no such command.",
        ),
        (
            pod(PodPhase.ENDED, exit_code=137, reason=EndReason.OOM_KILLED),
            "It needed more memory than its size has; take a larger size.",
        ),
        (pod(PodPhase.ENDED, exit_code=0, reason=EndReason.STOPPED), "It was stopped."),
        (
            pod(PodPhase.ENDED, reason=EndReason.START_FAILED, message="No such file: /x"),
            "No such file: /x",
        ),
    ],
)
def test_an_end_is_told_in_a_sentence(each, sentence):
    assert describe_end(each) == sentence
