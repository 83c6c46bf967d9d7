"""Lists at size: 1,000 workspaces beside JupyterHub's 1,000 users, then 10,000 and 100,000.

The big ones belong to 500 people, and to the admin whose 1,000 were there first: their walk is the
same at every total, so it tells whether a page's cost depends on what it does not show.
"""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from cassini.testing.databases import postgres_server
from tests.bench.cassini import Cassini
from tests.bench.filling import USERS, fill, user_name
from tests.bench.ground import Ground, say
from tests.bench.hub import Hub
from tests.bench.pages import CassiniWorkspaces, HubUsers, Listing

FIRST = 1000
TOTALS = (10_000, 100_000)
_WALKS = 3
_PEOPLE = 150


@dataclass(frozen=True)
class Reading:
    """The seconds of every page of some walks."""

    pages: tuple[float, ...]

    @property
    def per_second(self) -> float:
        """Pages read in a second."""
        return len(self.pages) / sum(self.pages)

    def quantile(self, part: float) -> float:
        """Return the seconds that this part of all pages took at most."""
        ordered = sorted(self.pages)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


@dataclass(frozen=True)
class AtSize:
    """Pages read where there are so many workspaces in all."""

    database: str
    total: int
    same: Reading
    """The admin's 1,000, the same rows at every total."""
    people: Reading | None = None
    """Those of people chosen by chance."""


@dataclass
class Lists:
    """All that was read."""

    side_by_side: dict[str, list[Reading]] = field(default_factory=dict)
    at_size: list[AtSize] = field(default_factory=list)


def measure_lists(ground: Ground, cassini: Cassini, hub: Hub | None, rounds: int) -> Lists:
    """Read the lists; the platform given is stopped and started again with more in it."""
    lists = Lists()
    cassini.create_workspaces(FIRST)
    cassini.settle()
    contestants: list[CassiniWorkspaces | HubUsers] = [_admins(cassini)]
    if hub is not None:
        hub.create_users(FIRST)
        contestants.append(HubUsers(hub.port, hub.token, FIRST + 1))
    for number in range(rounds + 1):
        for each in contestants:
            reading = _walk(each)
            if number:
                lists.side_by_side.setdefault(each.name, []).append(reading)
    _grow(lists, cassini, "SQLite")
    with postgres_server(ground.directory.name) as url:
        other = Cassini(ground, data=cassini.data, database_url=url)
        cassini.down()
        other.up()
        other.sign_in()
        other.create_workspaces(FIRST)
        other.settle()
        _grow(lists, other, "PostgreSQL")
        other.down()
    return lists


def _grow(lists: Lists, cassini: Cassini, database: str) -> None:
    lists.at_size.append(AtSize(database, FIRST, _walk(_admins(cassini))))
    for total in TOTALS:
        say(f"Listing {total:,} workspaces on {database} …")
        cassini.down()
        each = fill(cassini.database_url, total)
        cassini.up()
        cassini.settle()
        same = _walk(_admins(cassini))
        chosen = random.Random(total).sample(range(USERS), _PEOPLE)
        people = [
            CassiniWorkspaces(cassini.port, cassini.token, each, f"main/{user_name(number)}")
            for number in chosen
        ]
        lists.at_size.append(AtSize(database, total, same, _all(people)))


def _admins(cassini: Cassini) -> CassiniWorkspaces:
    return CassiniWorkspaces(cassini.port, cassini.token, cassini.made)


def _walk(listing: Listing) -> Reading:
    return _all([listing] * _WALKS)


def _all(listings: Sequence[Listing]) -> Reading:
    return Reading(tuple(seconds for each in listings for seconds in each.walk()))


def ratio(lists: Lists) -> float:
    """Return how many pages Cassini gives in the time JupyterHub gives one, over the medians."""
    ours, theirs = (
        statistics.median(each.per_second for each in lists.side_by_side[name])
        for name in (CassiniWorkspaces.name, HubUsers.name)
    )
    return ours / theirs
