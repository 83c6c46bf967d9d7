"""Refresh tokens are used once; a lost answer is forgiven, anything else ends the whole family."""

from dataclasses import replace
from itertools import pairwise

import pytest
from sqlmodel import select

from cassini.runtime.errors import Forbidden, Unauthenticated
from services.api.auth.authentication import caller_of_token
from services.api.auth.models import ApiToken, RefreshToken, User
from services.api.auth.refresh_tokens import AGAIN_SECONDS, Use, judge, refresh
from services.api.auth.tokens import revoke_token, sign
from tests.api.families import FIRST as A
from tests.api.families import new_family

B, C = "second", "third"
REUSED, GONE, EXPIRED = "refresh_token_reused", "bad_refresh_token", "refresh_token_expired"


@pytest.fixture
async def family(api, world):
    return await new_family(api, world.owner.user_id, expires_in=3600)


# What is shown after how many seconds, what it gives a name, and what it comes to.
CASES = {
    "once": [(0, A, B, None)],
    "one after the other": [(0, A, B, None), (0, B, C, None), (3600, C, "d", None)],
    "again at once": [(0, A, B, None), (0, A, C, None), (0, C, "d", None)],
    "again within the minute": [(0, A, B, None), (60, A, C, None), (0, C, "d", None)],
    "again and again within the minute": [
        (0, A, B, None),
        (20, A, C, None),
        (40, A, "d", None),
        (0, "d", "e", None),
    ],
    "the minute is counted from the first use": [
        (0, A, B, None),
        (40, A, C, None),
        (40, A, "d", REUSED),
        (0, C, "e", GONE),
    ],
    "again after the minute": [(0, A, B, None), (61, A, C, REUSED), (0, B, "d", GONE)],
    "again when the successor was used": [
        (0, A, B, None),
        (1, B, C, None),
        (1, A, "d", REUSED),
        (0, C, "e", GONE),
    ],
    "again when the second successor was used": [
        (0, A, B, None),
        (1, A, C, None),
        (1, C, "d", None),
        (1, A, "e", REUSED),
        (0, "d", "f", GONE),
    ],
    "a void one": [(0, A, B, None), (1, A, C, None), (1, B, "d", REUSED), (0, C, "e", GONE)],
    "a void one, long after": [(0, A, B, None), (1, A, C, None), (9999, B, "d", REUSED)],
    "one that was forgotten": [
        (0, A, B, None),
        (100, B, C, None),
        (100, C, "d", None),
        (9_999_999, A, "e", REUSED),
        (0, "d", "f", GONE),
    ],
    "whatever is left of a revoked family": [
        (0, A, B, None),
        (61, A, C, REUSED),
        (0, A, "d", GONE),
        (0, B, "e", GONE),
    ],
}


@pytest.mark.parametrize("case", CASES)
async def test_the_reuse_rule(family, clock, case):
    for after, shown, gives, expected in CASES[case]:
        clock.advance(after)
        assert await family.use(shown, gives) == expected, (after, shown)
        assert len(await family.live()) == int(not await family.revoked())
    assert await family.revoked() == (CASES[case][-1][3] is not None)


# What is shown after how many seconds, where each refresh token lives for a hundred.
EXPIRY = {
    "just in time": [(99, A, B, None)],
    "too late": [(100, A, B, EXPIRED), (9999, A, B, EXPIRED)],
    "each one lives anew": [(90, A, B, None), (90, B, C, None), (100, C, "d", EXPIRED)],
    # The first use was in time, and only its answer was lost.
    "again when it has expired since": [(99, A, B, None), (59, A, C, None), (0, C, "d", None)],
    "an expired one that was used": [(50, A, B, None), (100, A, C, REUSED)],
}


@pytest.mark.parametrize("case", EXPIRY)
async def test_a_refresh_token_lives_as_long_as_was_asked(api, world, clock, case):
    family = await new_family(api, world.owner.user_id, expires_in=10, refresh_expires_in=100)
    for after, shown, gives, expected in EXPIRY[case]:
        clock.advance(after)
        assert await family.use(shown, gives) == expected, (after, shown)
    assert await family.revoked() == (EXPIRY[case][-1][3] == REUSED)


async def test_only_the_last_text_counts(family, clock):
    await family.use(A, B)
    clock.advance(30)
    await family.use(A, C)
    assert len({family.access[each] for each in (A, B, C)}) == 3
    for name, counts in ((A, False), (B, False), (C, True)):
        assert await family.may_call(family.access[name]) is counts
    await family.use(B, "d")
    assert not await family.may_call(family.access[C])


async def test_a_replaced_text_says_expired_so_that_clients_refresh(api, family):
    await family.use(A, B)
    async with api.database.read() as session:
        with pytest.raises(Unauthenticated, match="expired"):
            await caller_of_token(session, api.keys, family.access[A], now=api.clock.now())


async def test_each_text_lives_as_long_as_the_first(family, clock):
    clock.advance(3599)
    await family.use(A, B)
    clock.advance(3599)
    assert await family.may_call(family.access[B])
    clock.advance(1)
    assert not await family.may_call(family.access[B])


async def test_reuse_is_told_in_the_audit_log_and_a_lost_answer_is_not(family, clock, capsys):
    await family.use(A, B)
    await family.use(A, C)
    assert "used twice" not in capsys.readouterr().out
    await family.use(B, "d")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "used twice" in line]
    assert family.token_id in line
    assert "owner" in line
    assert all(text not in line for text in family.texts.values())


async def test_a_locked_user_is_refused_and_nothing_is_used_up(api, family):
    await set_locked(api, locked=True)
    with pytest.raises(Forbidden, match="locked"):
        await refresh(api, family.texts[A])
    await set_locked(api, locked=False)
    assert await family.use(A, B) is None


async def set_locked(api, *, locked):
    async with api.database.write() as session:
        user = (await session.exec(select(User).where(User.username == "owner"))).one()
        user.locked = locked


async def test_a_revoked_token_is_not_refreshed(api, family):
    async with api.database.write() as session:
        row = await session.get(ApiToken, family.token_id)
        await revoke_token(session, row, now=api.clock.now())
    assert await family.use(A, B) == GONE


async def test_what_is_no_refresh_token_is_refused_and_ends_nothing(api, world, family):
    forged = [
        family.access[A],
        world.owner.token,
        "x",
        "x.y.z",
        family.texts[A] + "x",
        sign(api.keys, {"sub": family.token_id}),
        sign(api.keys, {"sub": family.token_id, "aud": "another"}),
        sign(api.keys, {"sub": "0" * 32, "aud": "refresh"}),
        sign(replace(api.keys, token=b"0" * 32), {"sub": family.token_id, "aud": "refresh"}),
    ]
    for text in forged:
        with pytest.raises(Unauthenticated) as caught:
            await refresh(api, text)
        assert caught.value.code == GONE
    assert await family.use(A, B) is None


async def test_a_refresh_token_is_no_token_of_the_api(api, family):
    assert not await family.may_call(family.texts[A])


async def test_no_text_is_kept(api, family):
    await family.use(A, B)
    async with api.database.read() as session:
        rows = (await session.exec(select(RefreshToken))).all()
        kept = " ".join(str(row.model_dump()) for row in rows)
    assert len(rows) == 2
    assert all(text not in kept for text in family.texts.values())


async def test_rows_do_not_grow_with_every_refresh(api, family, clock):
    names = [A, *(f"number {number}" for number in range(20))]
    for shown, gives in pairwise(names):
        clock.advance(61)
        assert await family.use(shown, gives) is None
    async with api.database.read() as session:
        rows = (await session.exec(select(RefreshToken))).all()
    assert len(rows) == 2


def row(**given):
    return RefreshToken(text_hash="x", token_id="t", created_at=0.0, **given)


def test_judgement_at_the_edges():
    used = row(used_at=1000.0)
    fresh, spent = row(), row(used_at=1001.0)
    assert judge(used, fresh, now=1000.0 + AGAIN_SECONDS) is Use.AGAIN
    assert judge(used, fresh, now=1000.1 + AGAIN_SECONDS) is Use.REUSED
    assert judge(used, spent, now=1002.0) is Use.REUSED
    assert judge(used, None, now=1002.0) is Use.REUSED
    assert judge(None, None, now=1002.0) is Use.REUSED
    assert judge(row(replaced_at=1.0), None, now=2.0) is Use.REUSED
    assert judge(row(expires_at=10.0), None, now=10.0) is Use.EXPIRED
    assert judge(row(expires_at=10.0), None, now=9.9) is Use.FIRST
    assert judge(row(), None, now=1e12) is Use.FIRST
    # A clock that was set back forgives no more than a minute.
    assert judge(used, fresh, now=900.0) is Use.AGAIN
