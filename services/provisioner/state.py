"""What the provisioner remembers of a workload between two steps: plain data, kept as JSON.

Pods are seen anew in every step; here stands only what a look at them cannot tell: which attempt
is meant to exist (recorded before it is made), how often it crashed, and what was decided.
"""

from cassini.contracts.resources import Message
from cassini.contracts.workloads import WorkloadStatus


class Verdict(Message):
    """How a rank ended for good (``error`` or ``completed``): only a new revision starts it."""

    status: WorkloadStatus
    reason: str | None = None
    message: str | None = None


class Rank(Message):
    """One rank of the current revision. Times are Unix seconds."""

    rank: int
    attempt: int
    """The attempt that is meant to exist."""
    seen: bool = False
    """Whether it was listed: if it is not there later, it vanished."""
    failures: int = 0
    """Crashes that count, since it was last ready for long."""
    losses: int = 0
    """Ends that do not count: host restarted, port taken, keeper killed, vanished."""
    not_before: float = 0.0
    """When the attempt may be made."""
    why: str | None = None
    """How the attempt before it ended, in a sentence."""
    was_ready: bool = False
    ready_since: float | None = None
    verdict: Verdict | None = None


class State(Message):
    """All that is remembered of one workload."""

    generation: int = 0
    """The wish it was written under."""
    revision: int = 0
    ranks: tuple[Rank, ...] = ()
    status: WorkloadStatus | None = None
    since: float = 0.0
    """When ``status`` began."""
    started_at: float | None = None
    """When the revision first was ready."""
    gave_up: Verdict | None = None
    """Why no pod of this revision can be made."""
    asked_about: int = 0
    """The newest revision of pods found that the declarer was asked about."""

    def rank(self, number: int) -> Rank | None:
        """Return what is remembered of one rank."""
        return next((each for each in self.ranks if each.rank == number), None)
