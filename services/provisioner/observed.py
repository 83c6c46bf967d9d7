"""From what a backend lists to what a fact says: pods, their conditions, sentences. Pure."""

from collections.abc import Sequence

from cassini.contracts.resources import Condition
from cassini.contracts.workloads import Endpoint, PodObserved, PodStatus
from services.provisioner.backends.base import EndReason, Pod, PodPhase

_STEPS = {
    "secrets": "writing the secret files",
    "directories": "making the directories",
    "files": "writing the configuration files",
    "packages": "installing the extra packages",
    "start-script": "running the start script",
    "main": "starting the main command",
}
_ENVIRONMENT = ("secrets", "directories", "files", "packages")
_START_SCRIPT, _MAIN = "start-script", "main"
_BEGIN, _DONE, _FAILED = "begin", "done", "failed"

LIVE = frozenset({PodPhase.STARTING, PodPhase.STARTED})


def observe_pods(pods: Sequence[Pod], *, ending: bool, revision: int) -> tuple[PodObserved, ...]:
    """Say what is seen of pods: those of the newest revision first, by rank, newest attempt first.

    ``ending``: all of them are to end; else those of other revisions than ``revision`` are.
    """
    return tuple(
        PodObserved(
            name=str(pod.name),
            rank=pod.name.rank,
            attempt=pod.name.attempt,
            revision=pod.name.revision,
            status=_status(pod, ending=ending or pod.name.revision != revision),
            ready=pod.ready,
            created_at=pod.created_at,
            started_at=pod.started_at,
            finished_at=pod.finished_at,
            exit_code=pod.exit_code,
            reason=pod.reason,
            message=describe_end(pod) if pod.phase not in LIVE else pod.message,
            conditions=_conditions(pod),
            endpoints=tuple(
                Endpoint(container_port=each.container_port, host=each.host, port=each.port)
                for each in pod.endpoints
            ),
        )
        for pod in sorted(pods, key=lambda p: (-p.name.revision, p.name.rank, -p.name.attempt))
    )


def describe_start(pod: Pod) -> str:
    """Say in a sentence what a starting pod does now."""
    began = [step.name for step in pod.steps if step.state == _BEGIN]
    if not began:
        return "The pod is being made."
    return f"Preparing: {_STEPS.get(began[-1], began[-1])}."


def failed_main(pod: Pod) -> int | None:
    """Return the exit code of a main command that failed in a pod kept up by debug mode."""
    failed = (step for step in pod.steps if step.name == _MAIN and step.state == _FAILED)
    return next((step.exit_code or 1 for step in failed), None)


def describe_end(pod: Pod) -> str:
    """Say in a sentence how a pod ended."""
    code = "" if pod.exit_code is None else f" (exit code {pod.exit_code})"
    if pod.phase is PodPhase.LOST:
        return pod.message or "What watched over it was gone: nobody knows how it ended."
    if pod.reason is EndReason.PREPARATION_FAILED:
        failed = next((s for s in reversed(pod.steps) if s.state == _FAILED), None)
        if failed is None:
            return pod.message or f"The preparation failed{code}; its log tells why."
        what = _STEPS.get(failed.name, failed.name)
        return f"The preparation failed at {what} (exit code {failed.exit_code}); see the log."
    if pod.reason is EndReason.OOM_KILLED:
        return "It needed more memory than its size has; take a larger size."
    if pod.reason in {None, EndReason.EXITED}:
        hint = {126: ": it cannot be executed", 127: ": there is no such command"}
        return f"The main command ended{code}{hint.get(pod.exit_code or 0, '')}."
    what = "It was stopped" if pod.reason is EndReason.STOPPED else f"It ended: {pod.reason}{code}"
    return pod.message or f"{what}."


def _status(pod: Pod, *, ending: bool) -> PodStatus:
    if pod.phase is PodPhase.LOST:
        return PodStatus.UNKNOWN
    if pod.phase in LIVE and ending:
        return PodStatus.STOPPING
    if pod.phase is PodPhase.STARTING:
        return PodStatus.PENDING
    if pod.phase is PodPhase.STARTED:
        return PodStatus.RUNNING
    if pod.reason is EndReason.STOPPED:
        return PodStatus.STOPPED
    well = pod.exit_code == 0 and pod.reason in {None, EndReason.EXITED}
    return PodStatus.COMPLETED if well else PodStatus.ERROR


def _conditions(pod: Pod) -> tuple[Condition, ...]:
    """Tell the steps of a start in the order in which people are shown them."""
    at = {(step.name, step.state): step.at for step in pod.steps}
    main = at.get((_MAIN, _BEGIN))
    running = next((s for s in reversed(pod.steps) if s.state != _DONE), None)
    script = at.get((_START_SCRIPT, _BEGIN), main)

    def condition(name: str, since: float | None, steps: tuple[str, ...] = ()) -> Condition:
        here = since is None and running is not None and running.name in steps
        return Condition(
            type=name,
            status=since is not None,
            reason=running.name if here and running else None,
            message=_STEPS.get(running.name) if here and running else None,
            last_transition_time=since,
        )

    ready = Condition(type="Ready", status=pod.ready)
    return (
        condition("Scheduled", pod.created_at),
        condition("ImagePulled", pod.steps[0].at if pod.steps else None),
        condition("EnvironmentPrepared", script, _ENVIRONMENT),
        condition("StartScriptExecuted", main, (_START_SCRIPT,)),
        ready,
    )
