"""Passwords: Argon2id with the library's own parameters, in two threads of their own.

A hash takes about 64 MiB and some tens of milliseconds, which is the point of it; two threads keep
a burst of sign-ins from taking all memory and every processor. An unknown user costs as much time
as a known one.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cassini.runtime.errors import Invalid

SHORTEST, LONGEST = 10, 1024

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


async def hash_password(password: str) -> str:
    """Return what is kept of a password.

    Raises:
        Invalid: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            f"the password must have {SHORTEST} to {LONGEST} characters", code="bad_password"
        )
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def is_password(kept: str | None, password: str) -> bool:
    """Tell whether this is the password of the hash that was kept (None: there is none)."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, kept, password)


def _verify(kept: str | None, password: str) -> bool:
    try:
        _hasher.verify(kept or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash("the password of nobody")
