"""Making users: the first one, and what the one who makes another is told."""

import pytest
from sqlmodel import select

from cassini.runtime.errors import Conflict, NotFound
from services.api.auth.models import Org, User
from services.api.people.accounts import (
    ONE_TRUST_DOMAIN,
    create_token,
    create_user,
    ensure_first_admin,
    first_admin,
)


async def test_the_first_run_makes_one_org_and_one_admin_and_later_ones_nothing(api):
    async with api.database.write() as session:
        admin = await ensure_first_admin(session, now=1.0)
        assert (admin.username, admin.is_admin, admin.password_hash) == ("admin", True, None)
    async with api.database.write() as session:
        assert await ensure_first_admin(session, now=2.0) is None
    async with api.database.read() as session:
        assert len((await session.exec(select(User))).all()) == 1
        assert (await session.exec(select(Org))).one().is_primary


async def test_only_the_second_user_brings_the_notice(api):
    async with api.database.write() as session:
        await ensure_first_admin(session, now=1.0)
        made = await create_user(session, "second", now=1.0)
        assert made.notice == ONE_TRUST_DOMAIN
        with pytest.raises(Conflict):
            await create_user(session, "second", now=1.0)
        with pytest.raises(NotFound):
            await create_token(session, api.keys, "nobody", now=1.0)


async def test_the_first_admin_is_known_by_right_and_age_and_not_by_name(api):
    async with api.database.write() as session:
        await ensure_first_admin(session, now=1.0)
        await create_user(session, "another", now=2.0, is_admin=True)
        user, owner_id = await first_admin(session)
        assert user.username == "admin"
        user.username = "renamed"
    async with api.database.write() as session:
        user, same = await first_admin(session)
        assert (user.username, same) == ("renamed", owner_id)
        user.locked = True
    async with api.database.read() as session:
        assert (await first_admin(session))[0].username == "another"
