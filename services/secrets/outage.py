"""What happens when the store is away: one look after it every two seconds, and a wake-up for all.

Each row that failed waits by its own back-off, which grows to a minute. So the first failure begins
an outage: the store is looked after until it answers, and then every row in back-off is worked on
at once. Nothing is asked while all is well. At the start an outage is assumed, for rows may wait
since before it. A store that answers the look but fails what is asked of it (it may read and not
write) is looked after less and less often.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from cassini.runtime.clock import Clock
from cassini.runtime.database import Database
from cassini.runtime.deliveries import backoff
from cassini.runtime.errors import BackendError, CassiniError
from cassini.runtime.ownership import Ownership
from cassini.runtime.wake import Wake
from services.secrets.stores.base import Store, StoreUnavailable

_LONGEST_WAIT = 2.0
_LONGEST_RELAPSE = 15.0
_STEADY_SECONDS = 60.0
"""Failures so soon after the last outage, with a store that answers the look, are a relapse."""

_log = structlog.get_logger(__name__)


class Outage:
    """Whether the store is away, and what is done about it."""

    def __init__(
        self, store: Store, database: Database, owned: Sequence[Ownership[Any]], clock: Clock
    ) -> None:
        self._store = store
        self._database = database
        self._owned = owned
        self._clock = clock
        self._begun = Wake()

    def note(self, error: CassiniError) -> None:
        """A step has failed: if that is the store's doing, look after it from now on."""
        if isinstance(error, StoreUnavailable):
            self._begun.set()

    async def run(self) -> None:
        """Look after the store whenever it is away, for ever."""
        self._begun.set()
        relapses, ended = 0, float("-inf")
        while True:
            await self._begun.wait(None)
            if relapses:
                await self._clock.sleep(min(backoff(relapses), _LONGEST_RELAPSE))
            was_away = await self._until_back()
            await self._begun.wait(0)  # what has failed until now is woken now
            at_once = not was_away and self._clock.now() - ended < _STEADY_SECONDS
            relapses = relapses + 1 if at_once else 0
            ended = self._clock.now()
            for owned in self._owned:
                await owned.retry_failed(self._database)

    async def _until_back(self) -> bool:
        """Look until the store answers; returns whether it was away at the first look."""
        tries = 0
        while True:
            try:
                await self._store.check()
            except BackendError as error:
                if tries == 0:
                    _log.warning("the store is away", error=error.message, **error.context)
            else:
                if tries:
                    _log.info("the store is there again", tries=tries)
                return tries > 0
            tries += 1
            await self._clock.sleep(min(backoff(tries), _LONGEST_WAIT))
