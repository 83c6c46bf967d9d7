"""PostgreSQL and SQLite behind one unit of work; the differences stand here and nowhere else.

``write()`` is one transaction that may change things, ``read()`` one that may not. Nobody commits
inside; what must happen only after a commit is given to ``after_commit``. No outside call is made
with a session open.

SQLite: one file a service, WAL, ``synchronous=FULL``, one writer connection, and every write
begins with ``BEGIN IMMEDIATE``, which takes the write lock at once: with the default deferred
transactions two readers that both become writers break each other's limits. The driver's own
transaction handling is switched off (``isolation_level=None``) so that ours is the only one.
PostgreSQL: one schema a service, chosen by ``search_path``.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as PlainSession
from sqlalchemy.schema import CreateSchema
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.orm.session import Session

from cassini.runtime.sqlite_connection import connect_once_a_statement

_BUSY_SECONDS = 15.0
_READERS = 4
_HOOKS = "cassini_after_commit"


def after_commit(session: AsyncSession | Session, hook: Callable[[], None]) -> None:
    """Call ``hook`` once this unit of work is committed; never when it is rolled back."""
    session.info.setdefault(_HOOKS, []).append(hook)


async def upsert(
    session: AsyncSession,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    stays: Collection[str] = (),
) -> None:
    """Write rows over those of the same primary key, or as new ones, in one statement.

    Every row has the same columns; of one that is there already, those in ``stays`` stay.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = (sqlite.insert if is_sqlite else postgresql.insert)(inspect(table).local_table)
    key = [column.name for column in inspect(table).primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in {*key, *stays}}
    statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
    await session.execute(statement, rows)


def is_outage(error: BaseException) -> bool:
    """Say whether an error means that the database is away or busy, not that a statement is wrong.

    A driver that cannot connect raises a plain ``OSError`` (``TimeoutError`` is one).
    """
    if isinstance(error, DBAPIError):
        wrong = IntegrityError | DataError | ProgrammingError | NotSupportedError
        return not isinstance(error, wrong)
    return isinstance(error, OSError | NoFreeConnection)


class _Session(AsyncSession):
    """SQLModel's session, whose ``execute`` warns because models want ``exec``; tables do not."""

    execute = PlainSession.execute


class Database:
    """One service's tables on one of the two databases."""

    def __init__(self, url: str, *, schema: str | None = None) -> None:
        """Connect lazily to ``url`` (``sqlite+aiosqlite:///…`` or ``postgresql+asyncpg://…``)."""
        self._schema = None if schema is None else str(schema)  # asyncpg takes no StrEnum
        self._sessions: type[Session] = type("Session", (Session,), {})  # its events are ours alone
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, connections=1, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite_engine(url, connections=_READERS, begin="BEGIN", read_only=True)
        else:
            self._writer = self._reader = _postgres_engine(url, self._schema)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that may change things; committed at the end, or rolled back."""
        async with _Session(
            self._writer, expire_on_commit=False, sync_session_class=self._sessions
        ) as session:
            async with session.begin():
                yield session
            for hook in session.info.pop(_HOOKS, ()):
                hook()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that only reads."""
        async with _Session(self._reader, expire_on_commit=False) as session:
            yield session

    def on_write(self, look: Callable[[Session, object], None]) -> None:
        """Call ``look`` with every row that a unit of work writes or deletes, before it commits."""

        @event.listens_for(self._sessions, "after_flush")
        def _look(session: Session, _context: object) -> None:
            for row in (*session.new, *session.dirty, *session.deleted):
                look(session, row)

    async def run_sync(self, function: Callable[[Connection], Any]) -> Any:
        """Run a function of a synchronous connection in one transaction (for migrations)."""
        async with self._writer.begin() as connection:
            if self._schema is not None and not self.is_sqlite:
                await connection.run_sync(_ensure_schema, self._schema)
            return await connection.run_sync(function)

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        await self._reader.dispose()


async def one_at_a_time(session: AsyncSession, what: str) -> None:
    """Let replicas do one thing one after the other: held to the end of this unit of work.

    On SQLite a unit of work that writes is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtext(:what))")
        await session.execute(lock, {"what": what})


def _ensure_schema(connection: Connection, schema: str) -> None:
    """Make a schema; a user who may not make any can still use the one made for them."""
    if not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema, if_not_exists=True))


def _sqlite_engine(
    url: str, *, connections: int, begin: str, read_only: bool = False
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # values of a failed statement do not belong into a log
        pool_timeout=_BUSY_SECONDS * 2,
        connect_args={
            "timeout": _BUSY_SECONDS,
            "isolation_level": None,
            "async_creator_fn": connect_once_a_statement,
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: str, schema: str | None) -> AsyncEngine:
    settings = {"search_path": schema} if schema else {}
    return create_async_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"timeout": 10, "server_settings": settings},
    )
