"""Jobs of a forked process: work, keep copies of the databases, and come back on an older one.

Timers that would take minutes are shortened in these processes by ``hurry``; which ones, stands
there. Nothing else is changed.
"""

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from cassini.runtime import declarations, service
from services.admin import find_strays
from services.provisioner import decide, orphans
from tests.system.crash.facts import broken, homes, values
from tests.system.crash.running import Running, running, until_ready

MEET_SECONDS = 40.0
_FIRST_STEPS = 6
_LATER_STEPS = 8

_SENSIBLE: Mapping[str | None, list[str]] = {
    "running": ["stop", "restart", "delete"],
    "stopped": ["start", "start", "delete"],
}
_AFTER = {"start": "running", "restart": "running", "stop": "stopped", "delete": None}

Tell = Callable[[str, Any], None]


def hurry() -> None:
    """Shorten what is minutes between two services that have lost sight of each other."""
    service.OBSERVE_AGAIN_SECONDS = 3.0  # 600: an owner says its facts again
    declarations.SILENCE_SECONDS = 9.0  # 1800: a settled wish nothing was heard of is emitted
    service._RESEND_SECONDS = 0.5  # 5: how often a declarer looks for wishes to emit
    declarations._FIRST_DELAY = 1.0  # 5: between two emissions of one wish
    orphans._SWEEP_SECONDS = 2.0  # 60: pods without a row are looked for
    decide._UNKNOWN_SECONDS = 2.0  # 60: a pod without a wish is looked at again


async def work(job: dict[str, Any], tell: Tell) -> None:
    """Do a random piece of work, copy the databases, go on, and stop cleanly."""
    hurry()
    chance = random.Random(job["seed"])
    home, copies = Path(job["home"]), Path(job["copies"])
    async with running(home, job["images"], job["token"]) as here:
        await until_ready(here)
        worker = _Worker(here, chance, tell)
        for _ in range(_FIRST_STEPS):
            await worker.step()
        _copy(home, copies)
        copied = set(worker.known)
        tell("did", "the copies were made")
        for _ in range(_LATER_STEPS):
            await worker.step()
        for workspace in worker.known:
            await worker.rest(workspace)
        there = {id_ for id_, status in worker.known.items() if status is not None}
        tell("there", sorted(there))
        tell("newer", sorted(there - copied))
        tell("ran", sorted(worker.ran))


class _Worker:
    """Asks for this and that, sometimes without waiting for it to be done."""

    def __init__(self, here: Running, chance: random.Random, tell: Tell) -> None:
        self._here = here
        self._chance = chance
        self._tell = tell
        self.known: dict[str, str | None] = {}
        """Workspaces and the status each is asked to have."""
        self.ran: set[str] = set()

    async def step(self) -> None:
        """Ask for one thing."""
        there = [id_ for id_, status in self.known.items() if status is not None]
        workspace = self._chance.choice([*there, ""]) if len(there) > 1 else ""
        if workspace:
            verb = self._chance.choice(_SENSIBLE[self.known[workspace]])
        else:
            workspace, verb = await self._here.create(f"w{time.time_ns()}"), "start"
        self._tell("did", f"{verb} {workspace}")
        code = await self._here.request(verb, workspace)
        assert httpx.codes.is_success(code), code
        self.known[workspace] = _AFTER[verb]
        if self._chance.random() < 2 / 3:
            await self.rest(workspace)

    async def rest(self, workspace: str) -> None:
        """Wait until a workspace is as asked."""
        await self._here.settle(workspace, self.known[workspace])
        for place in homes(self._here.home, workspace):
            self.ran.add(workspace)
            (place / "kept").write_text(workspace)


def _copy(home: Path, copies: Path) -> None:
    """Copy all databases, each as of one moment, and the secret store."""
    for file in sorted((home / "databases").glob("*.db")):
        with sqlite3.connect(file) as source, sqlite3.connect(copies / file.name) as target:
            source.backup(target)
        source.close()
        target.close()
    shutil.copytree(home / "store", copies / "store")


def put_back(home: Path, copies: Path, what: tuple[str, ...]) -> None:
    """Put older copies in the place of what is there; the platform is stopped."""
    for name in what:
        if name == "store":
            shutil.rmtree(home / "store")
            shutil.copytree(copies / "store", home / "store")
            continue
        for file in (home / "databases").glob(f"{name}.db*"):
            file.unlink()
        shutil.copy(copies / f"{name}.db", home / "databases" / f"{name}.db")


async def come_back(job: dict[str, Any], tell: Tell) -> None:
    """Start on what was put back, let all sides meet, then use every workspace."""
    hurry()
    began = time.monotonic()
    home = Path(job["home"])
    async with running(home, job["images"], job["token"]) as here:
        await until_ready(here)
        tell("wrong", await _meet(here, "after the start"))
        tell("took", time.monotonic() - began)
        tell("strays", await find_strays(here.settings))
        for verb, status in (("restart", "running"), ("stop", "stopped")):
            tell("wrong", await _use(here, verb, status))
        tell("wrong", await _meet(here, "after the use"))


async def _use(here: Running, verb: str, status: str) -> list[str]:
    """Ask the same of every workspace that the API knows; return what goes wrong."""
    wrong = []
    known = _known(here)
    for workspace in known:
        code = await here.request(verb, workspace)
        if not httpx.codes.is_success(code):
            wrong.append(f"{verb} of {workspace} is answered {code}")
    for workspace in known:
        try:
            await here.settle(workspace, status)
        except TimeoutError as error:
            wrong.append(f"{verb} of {workspace}: {error}")
        if not homes(here.home, workspace):
            wrong.append(f"{workspace} has run and has no home")
    missing = values(here, left=True)
    return [*wrong, *(f"after {verb}: {each}" for each in missing)]


def _known(here: Running) -> list[str]:
    query = "SELECT id FROM workspace WHERE deleted_at IS NULL ORDER BY id"
    return [row["id"] for row in here.rows("api", query)]


async def _meet(here: Running, when: str) -> list[str]:
    """Wait until nothing is broken; return what still is after the deadline."""
    deadline = time.monotonic() + MEET_SECONDS
    while wrong := _as_shown(here) + here.moving() or await broken(here, restored=True):
        if time.monotonic() > deadline:
            return [f"{when}: {each}" for each in wrong]
        await asyncio.sleep(0.05)
    return []


def _as_shown(here: Running) -> list[str]:
    """Compare what the API shows with what it wishes: nothing is on its way any more."""
    query = "SELECT id, status, wanted, message FROM workspace"
    resting = {"running": "running", "stopped": "stopped", None: "stopped"}
    return [
        f"{row['id']}, wanted {row['wanted']}, is {row['status']}: {row['message']}"
        for row in here.rows("api", query)
        if resting.get(row["wanted"]) != row["status"]
    ]
