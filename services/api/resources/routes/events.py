"""``/api/events``: live changes of one's resources, as server-sent events. Ours, not Saturn's.

The stream begins with ``ready``: list the resources then, and apply each ``resource`` event that
follows. After a lost connection it begins with ``ready`` again. A token that was revoked, or a
session that is over, ends it with ``end``.
"""

import time
from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from cassini.runtime.errors import CassiniError
from services.api.access import Action, access
from services.api.auth.authentication import look_again
from services.api.auth.dependencies import CallerDep
from services.api.context import ContextDep
from services.api.resources.changes import Changes
from services.api.watch import Follower

router = APIRouter(tags=["events"])

_RETRY_MILLISECONDS = 2000


async def _follow(api: ContextDep, caller: CallerDep) -> AsyncIterator[Follower]:
    with api.watch.follow(caller.user_id, caller.owner_ids) as follower:
        yield follower


@router.get("/api/events", openapi_extra=access(Action.KNOW), response_class=EventSourceResponse)
async def stream_events(
    request: Request, api: ContextDep, follower: Annotated[Follower, Depends(_follow)]
) -> AsyncIterable[ServerSentEvent]:
    """Tell every change of the caller's resources as it happens."""
    changes = Changes(since=time.time_ns() // 1000)
    yield ServerSentEvent(event="ready", data={}, retry=_RETRY_MILLISECONDS)
    while (hinted := await follower.next()) is not None:
        try:
            caller = await look_again(request)
        except CassiniError as error:
            end = {"message": error.message, "code": error.code}
            yield ServerSentEvent(event="end", data=end)
            return
        async with api.database.read() as session:
            told = await changes.look(session, caller, hinted)
        for change in told:
            yield ServerSentEvent(event="resource", data=change)
