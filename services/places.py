"""Where the embedded form keeps what: one data directory, held by one process at a time.

As root the directory may be passed through by every user, since workloads run as users of their
own; databases, keys and secrets are for the platform alone.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.errors import Conflict, Invalid

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


class Places:
    """The layout of a data directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.keys = home / "keys"
        self.databases = home / "databases"
        self.store = home / "store"
        self.images = home / "images"
        self.package_cache = home / "package-cache"
        self.build_logs = home / "build-logs"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make the directories.

        Raises:
            OSError: they cannot be made.
        """
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        for private in self._private():
            private.mkdir(mode=0o700, exist_ok=True)
        self.images.mkdir(mode=0o755, exist_ok=True)
        self.installation_id()

    @contextmanager
    def problems_told(self) -> Iterator[None]:
        """Tell a person what is wrong with disk or databases in the work inside.

        Raises:
            Invalid: instead of the errors of the system and of databases.
        """
        try:
            yield
        except (OSError, DBAPIError) as error:
            raise Invalid(self._explain(error), code="data_directory") from error

    def hold(self) -> None:
        """Take the data directory for this process, until it ends.

        Raises:
            Conflict: another process has it.
        """
        descriptor = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode().strip() or "another process"
            os.close(descriptor)
            raise Conflict(
                f"the data directory {self.home} is in use by a running Cassini (process "
                f"{holder}); stop it, or give this one another directory with --home",
                code="data_directory_in_use",
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor

    def release(self) -> None:
        """Let another process have the data directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def database_file(self, service: ServiceName) -> Path:
        """Return the SQLite file of a service."""
        return self.databases / f"{service}.db"

    def installation_id(self) -> str:
        """Return the id of this installation, made on first use: what we make is labelled so."""
        path = self.home / "installation-id"
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(new_id())
            draft.replace(path)
        return path.read_text().strip()

    def announce(self, url: str) -> None:
        """Note where the platform answers, for commands run beside it."""
        draft = self.home / f"url.{os.getpid()}"
        draft.write_text(url)
        draft.replace(self.home / "url")

    def announced(self) -> str | None:
        """Return where the platform answers, or answered last."""
        try:
            return (self.home / "url").read_text()
        except FileNotFoundError:
            return None

    def _private(self) -> tuple[Path, ...]:
        return (self.keys, self.databases, self.store, self.build_logs, self.package_cache)

    def _explain(self, error: OSError | DBAPIError) -> str:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        number, name = getattr(cause, "errno", None), getattr(cause, "sqlite_errorname", "")
        if number in _FULL or name == "SQLITE_FULL":
            return f"the disk of {self.home} is full: make room and start again"
        if number in _NOT_OURS or name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            return f"{self.home} cannot be written: give another directory with --home"
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return f"a database in {self.databases} is damaged ({cause}): put back a copy of it"
        if name.startswith("SQLITE_IOERR"):
            return f"a database in {self.databases} cannot be used ({cause}): is the disk full?"
        if isinstance(cause, ConnectionError | TimeoutError | socket.gaierror):
            return f"the database cannot be reached ({cause}): look at CASSINI_DATABASE_URL"
        return f"the data directory {self.home} cannot be used: {cause}"
