"""What a build is told, whichever of the engine's builders does it."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.builder.backends.base import LogSink


@dataclass(frozen=True)
class BuildOptions:
    """How to build one image."""

    host: str | None
    """The engine's address; None for what the environment says."""
    name: str
    """What the image is called once it is whole."""
    labels: Mapping[str, str]
    """What it carries."""
    network: str | None
    """Of the build's containers."""
    arguments: Mapping[str, str]
    """Predefined build arguments (proxies), which leave no trace."""
    log: LogSink
    """Takes each line as it is printed."""
    seconds: float
    """Until the build is ended."""
