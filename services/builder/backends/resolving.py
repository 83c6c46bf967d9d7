"""Decides every package of an image: the committed lock, or one made now of the requirements."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import GiveUp
from services.builder.backends.base import LogSink
from services.builder.backends.uv_command import UvCommand
from services.builder.builtin import builtin_names, read_builtin
from services.builder.recipe import find_problem, requirement_lines

RESOLVE_SECONDS = 600.0


async def resolve_lock(
    uv: UvCommand, spec: ImageSpec, log: LogSink, *, options: Sequence[str | Path]
) -> str:
    """Return the lock of an image; ``options`` tell ``uv pip compile`` what it is for.

    Raises:
        GiveUp: no image is built in under that name, or the requirements can never be met.
        BackendError: the package registry is away.
    """
    if spec.builtin is not None:
        lock = await asyncio.to_thread(read_builtin, spec.builtin)
        if lock is None:
            names = ", ".join(builtin_names())
            message = f"There is no built-in image of this name; there is: {names}."
            raise GiveUp(message, reason="UnknownImage")
        return lock
    problem = find_problem(spec.requirements)
    if problem is not None:
        raise GiveUp(problem, reason="InvalidRequirements")
    await log("Deciding the version of every package.")
    output = ("--generate-hashes", "--no-header", "--no-annotate")
    anonymous = ("--no-emit-index-url", "--no-emit-find-links")
    return await uv.run(
        *("pip", "compile", "-", *options, *output, *anonymous),
        stdin="\n".join(requirement_lines(spec.requirements)) + "\n",
        log=log,
        seconds=RESOLVE_SECONDS,
    )
