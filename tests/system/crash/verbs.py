"""Jobs of a forked process: run a verb to its end or to a kill, or start again after the kill.

What is found out is told line by line, since a killed process tells nothing at its end.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from cassini.runtime.clock import SystemClock
from cassini.runtime.logs import configure_logging
from services.api.keys import load_keys
from services.api.people.accounts import ADMIN_NAME, create_token
from services.places import Places
from tests.system.crash import restoring
from tests.system.crash.doors import DOORS
from tests.system.crash.facts import broken, end_state
from tests.system.crash.running import Running, running, until_ready

STATUS_BEFORE: Mapping[str, str] = {
    "start": "stopped",
    "stop": "running",
    "restart": "running",
    "delete": "running",
}
STATUS_AFTER: Mapping[str, str | None] = {
    "start": "running",
    "stop": "stopped",
    "restart": "running",
    "delete": None,
}
LONGEST_JOB_SECONDS = 100
_LINGER_SECONDS = 1.5
"""How long to wait for a boundary that a run has not come to before it was at rest."""

Tell = Callable[[str, Any], None]


def perform(job: dict[str, Any], tell: Tell) -> None:
    """Do one job in this process."""
    signal.alarm(LONGEST_JOB_SECONDS)
    configure_logging(level="warning", form="json")
    asyncio.run(_WORK[job["kind"]](job, tell))


async def _prepare(job: dict[str, Any], tell: Tell) -> None:
    """Make a data directory with the image and the admin's token, at rest."""
    home = Path(job["home"])
    async with running(home, job["images"], None) as here:
        await until_ready(here)
        database = here.platform.api.database
        async with database.write() as session:
            keys = load_keys(Places(home).keys)
            token = await create_token(session, keys, ADMIN_NAME, now=SystemClock().now())
        tell("token", token)


async def _verb(job: dict[str, Any], tell: Tell) -> None:
    """Come back from the kill before, if there was one; then run the verb, if there is one."""
    began = time.monotonic()
    async with running(Path(job["home"]), job["images"], job["token"]) as here:
        if job["killed"] is not None:
            tell("end", await _come_back(here, **job["killed"]))
            tell("took", time.monotonic() - began)
        if job["verb"] is not None:
            await until_ready(here)
            tell("end", await _run(here, job["verb"], job["kill_at"], tell))


async def _come_back(
    here: Running, verb: str, workspace: str, answered: int | None
) -> dict[str, Any]:
    """Let it converge; a request whose answer nobody got is repeated after that.

    Such a request has happened as a whole or not at all.
    """
    if answered is not None:
        return await _rest(here, workspace, verb, [])
    try:
        await here.settle(workspace, STATUS_BEFORE[verb], STATUS_AFTER[verb])
    except TimeoutError as error:
        return {"broken": [f"before it was repeated: {error}"], "state": None}
    problems = await broken(here)
    code = await here.request(verb, workspace)
    gone = verb == "delete" and code == httpx.codes.NOT_FOUND
    if not gone and not httpx.codes.is_success(code):
        problems.append(f"the repeated request is answered {code}")
    return await _rest(here, workspace, verb, problems)


async def _run(
    here: Running, verb: str, kill_at: tuple[str, int] | None, tell: Tell
) -> dict[str, Any]:
    workspace = await here.create(f"w{time.time_ns()}")
    await here.settle(workspace, "stopped")
    if verb != "start":
        await here.request("start", workspace)
        await here.settle(workspace, "running")
    tell("workspace", workspace)
    DOORS.arm(lambda name: tell("boundary", name), tuple(kill_at) if kill_at else None)
    tell("answered", await here.request(verb, workspace))
    await here.settle(workspace, STATUS_AFTER[verb])
    if kill_at is not None and kill_at[1] == 1:
        await asyncio.sleep(_LINGER_SECONDS)
    DOORS.disarm()
    return await _rest(here, workspace, verb, [])


async def _rest(here: Running, workspace: str, verb: str, problems: list[str]) -> dict[str, Any]:
    """Return what is broken and what the workspace has become once all is at rest."""
    try:
        await here.settle(workspace, STATUS_AFTER[verb])
    except TimeoutError as error:
        return {"broken": [*problems, str(error)], "state": None}
    problems += await broken(here)
    return {"broken": problems, "state": await end_state(here, workspace)}


_WORK = {
    "prepare": _prepare,
    "verb": _verb,
    "work": restoring.work,
    "come back": restoring.come_back,
}
