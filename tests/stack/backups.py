"""Backups of the distributed form, made and put back by the commands of ``docs/distributed.md``."""

from pathlib import Path

from tests.stack.stack import SERVICES, Stack

STORE = "store"
"""OpenBao's data; all else that can be put back is the schema of a service."""
_SNAPSHOT = "/unseal/backup.snap"


def save(stack: Stack, folder: Path) -> None:
    """Back up every service's tables, and the secret store."""
    for service in SERVICES:
        dump = ("pg_dump", "-U", "postgres", "-Fc", "-n", service, "cassini")
        stack.compose_bytes("exec", "-T", "postgres", *dump, to=folder / f"{service}.dump")
    stack.bao(f"bao operator raft snapshot save {_SNAPSHOT}")


def put_back(stack: Stack, folder: Path, what: str) -> None:
    """Put one of them back, and have everybody say what they know."""
    if what == STORE:
        stack.bao(f"bao operator raft snapshot restore -force {_SNAPSHOT}")
        stack.unseal()
    else:
        stack.compose("stop", what)
        psql = ("exec", "-T", "postgres", "psql", "-U", "postgres", "cassini", "-c")
        stack.compose(*psql, f"DROP SCHEMA {what} CASCADE")
        restore = ("exec", "-T", "postgres", "pg_restore", "-U", "postgres", "-d", "cassini")
        stack.compose_bytes(*restore, given=folder / f"{what}.dump")
        stack.compose("start", what)
    stack.compose("restart", *(name for name in SERVICES if name != what))
    stack.wait()
