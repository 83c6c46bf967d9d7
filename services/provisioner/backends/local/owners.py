"""A user id of its own for each owner of pods, where the platform runs as root.

``owners.json`` remembers them for ever: files of an owner carry his number, so it is never given
to another. All calls block: use a thread.
"""

import fcntl
import json
import os
from pathlib import Path

from services.provisioner.backends.local.shim.state import write_atomic

_WANTED_FIRST = 1_900_000_000
"""Beyond what distributions, containers and systemd give out."""
_SMALL_FIRST = 50_000
"""Where only 16 bits of user ids are mapped (a container with user namespaces)."""


class Owners:
    """The numbers of owners, in a file under the data directory."""

    def __init__(self, data: Path) -> None:
        self._path = data / "owners.json"
        self._lock = data / "owners.lock"

    def number(self, owner_id: str) -> int:
        """Return the user and group id of an owner, allocating it the first time.

        Raises:
            OSError: the file cannot be read or written.
        """
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            numbers: dict[str, int] = {}
            if self._path.exists():
                numbers = json.loads(self._path.read_text())
            if owner_id not in numbers:
                numbers[owner_id] = max(numbers.values(), default=_first_number() - 1) + 1
                write_atomic(os.fspath(self._path), json.dumps(numbers, indent=1))
            return numbers[owner_id]


def _first_number() -> int:
    """Return the lowest number this machine lets us use."""
    ranges = (
        tuple(int(word) for word in line.split())
        for line in Path("/proc/self/uid_map").read_text().splitlines()
    )
    if any(start <= _WANTED_FIRST < start + count for start, _, count in ranges):
        return _WANTED_FIRST
    return _SMALL_FIRST
