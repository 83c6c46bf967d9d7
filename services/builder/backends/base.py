"""What the builder asks of an image backend.

Every call may be repeated: an image that is there is not built again, and removing one that is
gone is success. A backend remembers nothing but the images themselves: ``verify`` looks.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from cassini.contracts.images import ImageSpec
from services.builder.recipe import Recipe

LogSink = Callable[[str], Awaitable[None]]
"""Takes one line of a build's log as soon as it is printed."""


@dataclass(frozen=True)
class BuiltImage:
    """A whole image: ``reference`` is what a workload's wish names."""

    reference: str
    digest: str


class ImageBackend(Protocol):
    """Where images are made and kept.

    All calls raise ``GiveUp`` when what was asked can never work (its reason says why) and
    ``BackendError`` when it may work later: registry away, disk full, too slow.
    """

    async def resolve(self, spec: ImageSpec, log: LogSink) -> Recipe:
        """Decide every package and version of an image; its digest follows from them."""

    async def fits(self, recipe: Recipe) -> bool:
        """Say whether a recipe is for this place.

        It is not once the platform's Python changed, or what the image stands on is gone.
        """

    async def build(self, recipe: Recipe, log: LogSink) -> BuiltImage:
        """Make the image, or find it made. Cancelling leaves nothing that looks whole."""

    async def verify(self, digest: str) -> BuiltImage | None:
        """Return the image if it is whole and works, else ``None``."""

    async def remove(self, digest: str) -> None:
        """Remove the image or what is left of it; success if it is gone."""

    async def make_room(self, wanted: Collection[str]) -> None:
        """Remove leftovers and, past the disk budget, images whose digest is not ``wanted``."""
