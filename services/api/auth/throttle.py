"""Guessing passwords is slow: failed sign-ins are counted in the database.

Three counters each: for a user name from one address, for the address, and for the user name
from anywhere. A try is counted before the password is looked at, so that many at once do not slip
through, and taken back when it was right.
"""

import hashlib

from fastapi import Request
from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.runtime.errors import Retry
from services.api.auth.models import FailedSignIn

WINDOW_SECONDS = 15 * 60
PAIR_LIMIT, ADDRESS_LIMIT, NAME_LIMIT = 5, 20, 50


def address_of(request: Request) -> str:
    """Return the network address that a request came from."""
    return request.client.host if request.client else "unknown"


async def count_try(session: AsyncSession, username: str, address: str, *, now: float) -> None:
    """Count a try to sign in.

    Raises:
        Retry: there were too many of late; nothing is counted then.
    """
    await session.execute(
        delete(FailedSignIn).where(col(FailedSignIn.since) <= now - WINDOW_SECONDS)
    )
    limits = _limits(username, address)
    rows = await session.exec(
        select(FailedSignIn).where(col(FailedSignIn.key).in_(limits)).with_for_update()
    )
    known = {row.key: row for row in rows}
    over = [row for row in known.values() if row.count >= limits[row.key]]
    if over:
        wait = max(row.since + WINDOW_SECONDS - now for row in over)
        raise Retry(
            f"too many failed sign-ins: try again in {max(1, round(wait / 60))} minutes, "
            "or use a sign-in link",
            after=wait,
            code="too_many_tries",
        )
    for key in limits:
        row = known.get(key) or FailedSignIn(key=key, count=0, since=now)
        row.count += 1
        session.add(row)


async def take_back(session: AsyncSession, username: str, address: str) -> None:
    """Forget the failures of a user who did sign in, and this try of the address."""
    pair, name, source = _keys(username, address)
    await session.execute(delete(FailedSignIn).where(col(FailedSignIn.key).in_([pair, name])))
    await session.execute(
        update(FailedSignIn)
        .where(col(FailedSignIn.key) == source)
        .values(count=col(FailedSignIn.count) - 1)
    )


def _limits(username: str, address: str) -> dict[str, int]:
    limits = (PAIR_LIMIT, NAME_LIMIT, ADDRESS_LIMIT)
    return dict(zip(_keys(username, address), limits, strict=True))


def _keys(username: str, address: str) -> tuple[str, str, str]:
    # Hashed: of one length, and a password typed in the wrong field is not kept.
    pair, name, source = (
        hashlib.sha256("\0".join(parts).encode()).hexdigest()
        for parts in (("pair", username, address), ("name", username), ("address", address))
    )
    return pair, name, source
