"""Keeps what images take in the engine within the budget."""

from collections.abc import Collection
from contextlib import suppress

from cassini.runtime.errors import BackendError
from services.builder.backends.docker.engine import Engine

PASSING = ("building-", "base-")
"""How the tags begin that only last as long as a build."""

_IN_USE_SECONDS = 3600.0
"""What was named within this time is not removed: somebody may be about to say it is built."""


async def make_room(
    engine: Engine,
    repository: str,
    *,
    wanted: Collection[str],
    budget: int | None,
    now: float,
    build_seconds: float,
) -> None:
    """Remove what builds left behind, then unwanted images, the longest unused first.

    Images in use, wanted, or named within the last hour stay, even past the budget.

    Args:
        engine: where the images are.
        repository: theirs; its tags are digests.
        wanted: the digests that stay.
        budget: bytes; None for no limit.
        now: Unix seconds.
        build_seconds: after which a build cannot be under way any more.
    """
    images = await engine.named(repository)
    tags = {name: name.removeprefix(f"{repository}:") for name in images}
    passing = [name for name, tag in tags.items() if tag.startswith(PASSING)]
    for name in passing:
        if now - images[name].used_at > 2 * build_seconds:
            await _remove(engine, name, used=True)
    if budget is None:
        return
    kept = {name: image for name, image in images.items() if name not in passing}
    total = sum(image.size for image in {each.id: each for each in kept.values()}.values())
    for name, image in sorted(kept.items(), key=lambda each: each[1].used_at):
        if total <= budget:
            return
        unused = now - image.used_at > _IN_USE_SECONDS
        if tags[name] not in wanted and unused and await _remove(engine, name):
            total -= image.size


async def _remove(engine: Engine, name: str, *, used: bool = False) -> bool:
    with suppress(BackendError):  # in use, or the engine is away: the next build tries again
        await engine.untag(name, used=used)
        return True
    return False
