"""What the engine tells of images and containers, and how it wants names. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class EngineImage:
    """An image in the engine."""

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    """``name@sha256:…`` of every registry it was pulled from or pushed to."""
    labels: Mapping[str, str]
    size: int
    """In bytes, layers shared with others counted in."""
    used_at: float
    """When it was made or last given a name, in Unix seconds."""


@dataclass(frozen=True)
class Ran:
    """What a container printed, and how it ended."""

    exit_code: int
    output: str


def split_name(name: str) -> tuple[str, str | None]:
    """Return repository and tag (or digest) as the engine's calls want them."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "latest"
    return head, tag


def read_image(attributes: Mapping[str, Any]) -> EngineImage:
    """Return an image from what the engine answers when it is inspected."""
    named_at = (attributes.get("Metadata") or {}).get("LastTagTime") or ""
    return EngineImage(
        id=attributes["Id"],
        names=tuple(attributes.get("RepoTags") or ()),
        digests=tuple(attributes.get("RepoDigests") or ()),
        labels=(attributes.get("Config") or {}).get("Labels") or {},
        size=int(attributes.get("Size") or 0),
        used_at=max(_seconds(named_at), _seconds(attributes.get("Created") or "")),
    )


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp() if time else 0.0
