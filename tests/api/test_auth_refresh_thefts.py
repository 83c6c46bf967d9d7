"""Refreshing under attack: many at once, and a thief who holds copies."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cassini.runtime.errors import Unauthenticated
from services.api.auth.refresh_tokens import refresh
from services.api.auth.tokens import digest
from tests.api.families import FIRST as A
from tests.api.families import new_family

B = "second"


@pytest.fixture
async def family(api, world):
    return await new_family(api, world.owner.user_id, expires_in=3600)


async def test_refreshes_at_the_same_moment_leave_one_live_token(api, family, open_database):
    """Each through a database of its own, as in another replica."""
    replicas = [replace(api, database=open_database()) for _ in range(4)]
    pairs = await asyncio.gather(*(refresh(each, family.texts[A]) for each in replicas))
    assert len({pair.refresh_text for pair in pairs}) == 4
    (live,) = await family.live()
    counting = [pair for pair in pairs if await family.may_call(pair.access_text)]
    assert [pair.refresh.id for pair in counting] == [live.id]


async def test_a_successor_and_its_predecessor_at_the_same_moment(api, family, open_database):
    """Whichever comes first, the rule holds: one live token, or none and the family ended."""
    await family.use(A, B)
    replicas = [replace(api, database=open_database()) for _ in range(2)]
    outcomes = await asyncio.gather(
        refresh(replicas[0], family.texts[B]),
        refresh(replicas[1], family.texts[A]),
        return_exceptions=True,
    )
    assert await family.revoked()
    assert sum(isinstance(outcome, Unauthenticated) for outcome in outcomes) == 1
    for outcome in outcomes:
        if not isinstance(outcome, Unauthenticated):
            assert not await family.may_call(outcome.access_text)


@dataclass
class Somebody:
    """A holder of texts: the rightful client shows its newest, a thief any of them."""

    texts: list[str] = field(default_factory=list)
    access: list[str] = field(default_factory=list)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["client", "client, answer lost", "thief", "steal"]),
        st.sampled_from([0, 1, 30, 59, 60, 61, 5000]),
        st.integers(min_value=0, max_value=20),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_whatever_the_order_a_theft_ends_when_the_client_refreshes(api, world, clock, steps):
    """At most one token is live, and the client's next refresh after a theft leaves a thief none.

    Either the family ends, or what the thief was given is void and ends it when it is shown.
    """
    family = await new_family(api, world.owner.user_id, expires_in=4000)
    client, thief = Somebody([family.texts[A]], [family.access[A]]), Somebody()
    thief_was_served = False
    for who, seconds, which in steps:
        clock.advance(seconds)
        if who == "steal":
            thief.texts.append(client.texts[-1])
            continue
        holder = thief if who == "thief" else client
        if not holder.texts:
            continue
        shown = thief.texts[which % len(thief.texts)] if holder is thief else client.texts[-1]
        pair = await attempt(api, shown)
        if pair is not None and who != "client, answer lost":
            holder.texts.append(pair.refresh_text)
            holder.access.append(pair.access_text)
        if who == "thief":
            thief_was_served = thief_was_served or pair is not None
        elif thief_was_served:
            await nothing_is_left_to(thief, family)
            thief_was_served = False
        assert len(await family.live()) == int(not await family.revoked())


async def attempt(api, text):
    try:
        return await refresh(api, text)
    except Unauthenticated:
        return None


async def nothing_is_left_to(thief, family):
    """No access text of the thief counts, and no refresh token of the thief's can be used."""
    for text in thief.access:
        assert not await family.may_call(text)
    live = {each.text_hash for each in await family.live()}
    assert live.isdisjoint(digest(text) for text in thief.texts)
