"""SQLite connections that cross to their thread once a statement.

``aiosqlite`` runs each connection on a thread of its own and crosses to it for every call: make a
cursor, execute, fetch, close. At a hundred statements for starting one server those crossings were
a quarter of all the processor time it took. Here execute fetches the rows on the same trip, and
cursors are made and closed on the loop, where neither does any work.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, Self

import aiosqlite


class _Cursor(aiosqlite.Cursor):
    """Has the rows with it when ``execute`` returns."""

    _rows: list[sqlite3.Row] | None = None

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Execute a statement and fetch what it returns."""
        work = self._execute(self._execute_and_fetch, sql, parameters or ())  # type: ignore[no-untyped-call]
        self._rows = await work
        return self

    def _execute_and_fetch(self, sql: str, parameters: Any) -> list[sqlite3.Row]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall() if self._cursor.description else []

    async def fetchall(self) -> list[sqlite3.Row]:
        """Return the rows of the last statement."""
        rows, self._rows = self._rows or [], None
        return rows

    async def close(self) -> None:
        """Drop the cursor."""
        self._cursor.close()

    async def __aenter__(self) -> Self:
        return self


class _Connection(aiosqlite.Connection):
    """Makes such cursors."""

    def cursor(self, *_: Any, **__: Any) -> Any:
        """Return a new cursor."""
        return _Cursor(self, self._conn.cursor())


def connect_once_a_statement(database: str, **arguments: Any) -> aiosqlite.Connection:
    """Return a connection for SQLAlchemy's ``async_creator_fn``; arguments are ``sqlite3``'s."""
    arguments["check_same_thread"] = False  # the loop makes cursors, the thread runs them
    connection = _Connection(lambda: sqlite3.connect(database, **arguments), 64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does with its own connections
    return connection
