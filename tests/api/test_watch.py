"""Followers are woken by hints about their owners, and no stream is left behind."""

import asyncio

import pytest

from cassini.contracts.changes import ResourceChangedV1
from cassini.runtime.errors import Retry
from services.api.watch import MOST_STREAMS, Watch

OWNER, OTHER = "a" * 32, "b" * 32


def hint(resource_id, owner_id=OWNER):
    return ResourceChangedV1(id=f"{resource_id:032x}", owner_id=owner_id, kind="workspace")


async def test_a_follower_gets_what_changed_since_it_last_looked():
    watch = Watch()
    with watch.follow("u", [OWNER]) as follower:
        watch.changed(hint(1))
        watch.changed(hint(2))
        watch.changed(hint(1))
        watch.changed(hint(3, OTHER))
        assert await follower.next() == {f"{1:032x}", f"{2:032x}"}
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)
        watch.changed(hint(4))
        assert await waiting == {f"{4:032x}"}


async def test_without_a_hint_it_is_time_to_look_after_a_while(monkeypatch):
    monkeypatch.setattr("services.api.watch.LOOK_SECONDS", 0.001)
    with Watch().follow("u", [OWNER]) as follower:
        assert await follower.next() == set()


async def test_many_changes_come_in_portions():
    watch = Watch()
    with watch.follow("u", [OWNER]) as follower:
        for number in range(1200):
            watch.changed(hint(number))
        portions = [await follower.next() for _ in range(3)]
    assert max(map(len, portions)) <= 500
    assert len(set().union(*portions)) == 1200


async def test_a_user_has_so_many_streams_and_one_more_when_one_ends():
    watch = Watch()
    contexts = [watch.follow("u", [OWNER]) for _ in range(MOST_STREAMS)]
    for context in contexts:
        context.__enter__()
    with pytest.raises(Retry, match="close some"), watch.follow("u", [OWNER]):
        pass
    with watch.follow("another", [OWNER]):
        contexts[0].__exit__(None, None, None)
        with watch.follow("u", [OWNER]):
            pass


async def test_closing_ends_every_stream_and_takes_no_new_one():
    watch = Watch()
    with watch.follow("u", [OWNER]) as follower:
        waiting = asyncio.create_task(follower.next())
        await asyncio.sleep(0)
        watch.close()
        assert await waiting is None
    with pytest.raises(Retry, match="stopping"), watch.follow("u", [OWNER]):
        pass
