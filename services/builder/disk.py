"""Turns errors of the file system into ones that say what happened and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cassini.runtime.errors import BackendError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Raise ``BackendError`` for an ``OSError`` inside; ``what`` begins the sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            message = f"{what}: the disk is full; make room in the data directory."
            raise BackendError(message, code="disk_full") from error
        raise BackendError(f"{what}: {error.strerror or error}.") from error
