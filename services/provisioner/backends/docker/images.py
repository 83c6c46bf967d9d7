"""Images: looked up, and pulled where they are missing.

A pull takes longer than a step may, so it runs beside it: until it is done, a pod's making ends in
``Retry``, whose message is the progress. Replicas that pull the same image do it once: the engine
joins them.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import structlog

from cassini.runtime.errors import BackendError, CassiniError, GiveUp, Retry
from services.provisioner.backends.docker.engine import Engine, Refused
from services.provisioner.backends.docker.streams import Pull

_NOT_FOUND = 404
_FIRST_SECONDS, _AGAIN_SECONDS = 1.0, 2.0
_MISSING = (
    "not found",
    "manifest unknown",
    "no such image",
    "pull access denied",
    "repository does not exist",
    "name unknown",
    "invalid reference",
)
_BY_ID = "sha256:"
REASON = "PullingImage"

_log = structlog.get_logger(__name__)


class Images:
    """The images of one engine."""

    def __init__(self, engine: Engine, *, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._pulls: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, dict[str, tuple[int, int]]] = {}

    async def need(self, reference: str) -> str:
        """Return the user that an image names.

        Raises:
            Retry: it is being pulled; the message tells how far.
            GiveUp: there is no such image.
            BackendError: the engine cannot be reached.
        """
        try:
            image: Mapping[str, Any] = await self._engine.call(
                lambda client: client.inspect_image(reference)  # type: ignore[no-untyped-call]
            )
        except Refused as error:
            if error.status != _NOT_FOUND:
                raise
        else:
            return str(image["Config"].get("User") or "")
        if reference.startswith(_BY_ID):
            raise _missing(reference, "it was removed from the Docker engine; build it again")
        await self._follow(reference)
        raise Retry(self._told(reference), after=_AGAIN_SECONDS, reason=REASON)

    async def close(self) -> None:
        """Leave the pulls; the next step begins them again, where they are."""
        for pull in self._pulls.values():
            pull.cancel()
        await asyncio.gather(*self._pulls.values(), return_exceptions=True)
        self._pulls.clear()

    async def _follow(self, reference: str) -> None:
        """Begin a pull, or look at the one that runs; raises what went wrong with it."""
        pull = self._pulls.get(reference)
        if pull is None:
            self._progress[reference] = {}
            pull = asyncio.create_task(self._pull(reference), name=f"pull {reference}")
            self._pulls[reference] = pull
        await asyncio.wait({pull}, timeout=_FIRST_SECONDS)
        if pull.done():
            del self._pulls[reference]
            del self._progress[reference]
            pull.result()

    async def _pull(self, reference: str) -> None:
        progress = self._progress[reference]
        try:
            async with asyncio.timeout(self._seconds):
                pull = self._engine.stream(lambda client: Pull(client, reference))
                async with aclosing(pull) as messages:
                    async for message in messages:
                        if "error" in message:
                            raise _explain(reference, str(message["error"]))
                        _note(progress, message)
        except TimeoutError:
            raise BackendError(
                f"The image {reference} was not pulled within {self._seconds:.0f} s."
            ) from None
        except Refused as error:
            raise _explain(reference, error.message) from None
        _log.info("an image was pulled", image=reference)

    def _told(self, reference: str) -> str:
        layers = self._progress.get(reference, {}).values()
        total = sum(layer[1] for layer in layers)
        done = f": {sum(layer[0] for layer in layers) * 100 // total} %" if total else ""
        return f"The image {reference} is being pulled{done}."


def _note(progress: dict[str, tuple[int, int]], message: Mapping[str, Any]) -> None:
    layer, detail = message.get("id"), message.get("progressDetail") or {}
    if layer and message.get("status") == "Downloading" and detail.get("total"):
        progress[layer] = (detail.get("current", 0), detail["total"])
    elif layer in progress and message.get("status") in {"Download complete", "Pull complete"}:
        progress[layer] = (progress[layer][1],) * 2


def _explain(reference: str, said: str) -> CassiniError:
    if any(word in said.lower() for word in _MISSING):
        return _missing(reference, said[:300])
    return BackendError(f"The image {reference} cannot be pulled: {said[:300]}")


def _missing(reference: str, why: str) -> GiveUp:
    return GiveUp(f"There is no image {reference}: {why}.", reason="ImageMissing")
