"""The world of the model's walk (what no restored database brings back), and agreement with it."""

from collections import defaultdict

from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import WorkloadStatus


class Broken(AssertionError):
    """A promise of the protocol was broken."""


class World:
    """What no database holds: processes, labelled with id and revision, and homes."""

    def __init__(self):
        self.processes = defaultdict(dict)
        self.homes = {}
        self.absence_wished = set()

    def start(self, resource_id, revision, command):
        if self.processes[resource_id]:
            raise Broken(f"a second process of {resource_id} was started")
        self.processes[resource_id][revision] = command
        self.homes[resource_id] = "kept"

    def stop(self, resource_id):
        self.processes[resource_id].popitem()

    def trash_home(self, resource_id):
        if resource_id not in self.absence_wished:
            raise Broken(f"the home of {resource_id} was given up, and nobody wished it")
        if resource_id in self.homes:
            self.homes[resource_id] = "trash"


def require(holds, message):
    if not holds:
        raise Broken(message)


def require_agreement(world, resource_id, row, owned):
    wish = row.wish
    require(owned is not None, f"the owner never learnt of {resource_id}")
    mine = (row.generation, row.wish_digest)
    require(mine == (owned.generation, owned.wish_digest), "another wish is owned")
    require(row.observed_generation == row.generation, "the wish is not observed")
    require(row.fact == owned.fact, "what the declarer knows is not what the owner said")
    status = WorkloadStatus(str(wish.wanted))
    require(row.fact.status is status, f"{wish.wanted} ended as {row.fact.status}")
    runs = wish.wanted is Wanted.RUNNING
    expected = {wish.revision: wish.spec.command} if runs else {}
    found = world.processes[resource_id]
    require(found == expected, f"{found} runs instead of {expected}")
    home = world.homes.get(resource_id)
    place = "trash" if wish.wanted is Wanted.ABSENT else "kept"
    in_place = home in (place, None) or resource_id in world.absence_wished
    require(in_place, f"the home is {home} for a wish of {wish.wanted}")
    require(not runs or home == "kept", "a running workload without its home")
