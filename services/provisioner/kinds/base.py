"""What a kind of workload says about its pods; ``plan.py`` joins it with what all kinds share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOME = "/home/jovyan"
"""The home directory in every wish and plan; in a script it is ``$HOME``."""


class InvalidSpec(ValueError):
    """A spec no pod can be made from; the text is a sentence for the person who wrote it."""


@dataclass(frozen=True)
class KindPlan:
    """The part of a pod's plan that its kind decides."""

    main: str
    """The main command: one simple command of POSIX sh, without ``exec``."""
    ports: tuple[int, ...]
    readiness_path: str | None
    """Asked for on the first port; None: ready as soon as the main command runs."""
    grace_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    """Set by the platform: wins over the user's variables."""
    directories: tuple[str, ...] = ()
    """What to make beside home, working directory and overlay, as words of POSIX sh."""
    preparation: str = ""
    """Lines of POSIX sh after that, in the same step; a line that fails must ``return``."""
