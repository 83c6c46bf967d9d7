"""Who watches live, and waking them: hints of changed resources in, their ids out.

A follower is one open stream. It is woken by the hints about its owners and, since a hint can be
lost, also from time to time; what changed it reads from the database itself.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice

from cassini.contracts.changes import ResourceChangedV1
from cassini.runtime.errors import Retry
from cassini.runtime.wake import Wake

MOST_STREAMS = 20
"""Open streams of one user: browsers' tabs, not a lever against the platform."""
LOOK_SECONDS = 30.0
"""How often to look without a hint."""
_RETRY_SECONDS = 30.0
_MOST_IDS = 500  # for one query


class Follower:
    """One open stream."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._wake = Wake()
        self._closed = False

    def add(self, resource_id: str) -> None:
        """A resource changed."""
        self._ids.add(resource_id)
        self._wake.set()

    def close(self) -> None:
        """The stream is to end."""
        self._closed = True
        self._wake.set()

    async def next(self) -> set[str] | None:
        """Return ids that changed since the last call; empty after a while, None at the end."""
        await self._wake.wait(0 if self._ids or self._closed else LOOK_SECONDS)
        ids = set(islice(self._ids, _MOST_IDS))
        self._ids -= ids
        return None if self._closed else ids


class Watch:
    """All open streams of this replica."""

    def __init__(self) -> None:
        self._of_owner: defaultdict[str, set[Follower]] = defaultdict(set)
        self._of_user: Counter[str] = Counter()
        self._closed = False

    def changed(self, hint: ResourceChangedV1) -> None:
        """Wake those who follow the owner of what changed."""
        for follower in self._of_owner.get(hint.owner_id, ()):
            follower.add(hint.id)

    @contextmanager
    def follow(self, user_id: str, owner_ids: Collection[str]) -> Iterator[Follower]:
        """Follow some owners until the end of the context.

        Raises:
            Retry: the user has too many streams open, or the platform is stopping.
        """
        if self._closed:
            raise Retry("the platform is stopping: connect again", after=1, code="stopping")
        if self._of_user[user_id] >= MOST_STREAMS:
            raise Retry(
                f"there are {MOST_STREAMS} live streams of yours open already: close some",
                after=_RETRY_SECONDS,
                code="too_many_streams",
            )
        follower = Follower()
        self._of_user[user_id] += 1
        for owner_id in owner_ids:
            self._of_owner[owner_id].add(follower)
        try:
            yield follower
        finally:
            self._of_user[user_id] -= 1
            self._of_user += Counter()  # drops who has none left
            for owner_id in owner_ids:
                self._of_owner[owner_id].discard(follower)
                if not self._of_owner[owner_id]:
                    del self._of_owner[owner_id]

    def close(self) -> None:
        """End every stream, and take no new ones: the server is about to stop."""
        self._closed = True
        for follower in {each for some in self._of_owner.values() for each in some}:
            follower.close()
