"""Opens a database, a file's path or a URL (`postgresql://…`), as an engine of SQLAlchemy Core.

Rules: a transaction of a writer begins with BEGIN IMMEDIATE on SQLite, in WAL mode with synchronous=FULL, and commits
with synchronous_commit on PostgreSQL: what is acknowledged survives a power cut. A reader opens the file read-only,
never makes or migrates one, and sees one state of the database for a whole transaction. An engine has one connection,
usable from any thread by one at a time; after an error it is closed, for what it had open may be what is wrong.
Alembic is imported only where there is something to migrate. Errors leave this package as StoreError: `translate`
does that.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    StatementError,
)
from sqlalchemy.pool import QueuePool

from zhuque.errors import NotFoundError, StoreBusyError, StoreError, UsageError
from zhuque.store.schema import REVISION

_BUSY_TIMEOUT_S = 1.0
_READER_TIMEOUT_S = 5.0
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_POSTGRES: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "zhuque",
}
_WRITER_ON_POSTGRES = (
    # A second one that migrates or rebuilds is waited for as a locked file is.
    "SET lock_timeout = '2s'",
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
)
_WRITER_ON_SQLITE = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
# One connection, for which the second thread waits.
_POOL: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": None}


def open_writer(where: str | Path) -> Engine:
    """A database that may be written; makes the file and migrates it where needed. Raises StoreError."""
    engine = connect(where, writing=True)
    with translate(where):
        if _revision(engine) != REVISION:
            from zhuque.store.migrate import upgrade

            upgrade(engine)
    return engine


def open_reader(where: str | Path) -> Engine:
    """A database that is only read. Raises NotFoundError where there is no such file, StoreError."""
    engine = connect(where, writing=False)
    with translate(where):
        found = _revision(engine)
    if found is None:
        raise StoreError(
            f"{_hidden(where)} is not a zhuque database yet: let `zhuque collect --db …` make it"
        )
    if found != REVISION:
        raise StoreError(
            f"{_hidden(where)} is at revision {found}, this zhuque reads {REVISION}:"
            " run `zhuque db migrate` with the newer of the two"
        )
    return engine


def connect(where: str | Path, writing: bool) -> Engine:
    """An engine whose database is not looked at yet. Raises UsageError, NotFoundError."""
    scheme, separator, _ = str(where).partition("://")
    try:
        url = make_url(str(where)) if separator else URL.create("sqlite", database=str(where))
    except (ArgumentError, ValueError) as error:
        raise UsageError(f"--db {_hidden(where)} is no URL of a database: {error}") from error
    if scheme in _SCHEMES and separator:
        engine = _postgres(url, writing)
    elif url.drivername == "sqlite":
        engine = _sqlite(Path(url.database or "").absolute(), writing)
    else:
        raise UsageError(f"--db {_hidden(where)} cannot be used: give a path or a postgresql:// URL")
    event.listen(engine, "handle_error", _let_go)
    return engine


@contextmanager
def translate(where: object) -> Iterator[None]:
    """Raise StoreBusyError for what may pass by itself and StoreError for the rest of what a database says."""
    try:
        yield
    except DBAPIError as error:
        kind = StoreBusyError if _may_pass(error) else StoreError
        raise kind(f"database {_hidden(where)}: {' '.join(str(error.orig).split())}") from error


def is_refused_value(error: Exception) -> bool:
    """True when the database does not take a value: the others of the batch may be sound."""
    if isinstance(error, DBAPIError):
        refusals: tuple[type[DatabaseError | InterfaceError], ...] = (DataError, IntegrityError)
        if isinstance(error.orig, sqlite3.Error):
            refusals += (InterfaceError, ProgrammingError)
        return isinstance(error, refusals)
    cause = error.orig if isinstance(error, StatementError) else error
    return isinstance(cause, ValueError | OverflowError)


def _may_pass(error: DBAPIError) -> bool:
    """True for what is no fault of the SQL or the values: locked, full, read-only, gone."""
    if isinstance(error.orig, sqlite3.Error):
        return isinstance(error, OperationalError)
    return isinstance(error, OperationalError | InternalError | InterfaceError)


def _let_go(context: ExceptionContext) -> None:
    """Have the connection closed, and its cursor too: an open one would keep a file of SQLite locked."""
    context.is_disconnect = True
    running = context.execution_context
    if running is not None and running.cursor is not None:
        with contextlib.suppress(Exception):
            running.cursor.close()


# --- each of the two -------------------------------------------------------------------------------------------------


def _sqlite(path: Path, writing: bool) -> Engine:
    if not writing and not path.is_file():
        raise NotFoundError(f"no database at {path}: `zhuque collect --db {path}` makes it")
    if writing and not path.parent.is_dir():
        raise NotFoundError(f"no folder {path.parent} for the database: make it first")
    query = {"uri": "true", "mode": "rwc" if writing else "ro"}
    # The transactions are begun below: the driver's own begin too late, and never for a SELECT.
    settings = {
        "timeout": _BUSY_TIMEOUT_S if writing else _READER_TIMEOUT_S,
        "isolation_level": None,
        "check_same_thread": False,
    }
    url = URL.create("sqlite", database=path.as_uri(), query=query)
    engine = create_engine(url, connect_args=settings, **_POOL)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    event.listen(engine, "begin", begin)
    if writing:
        _at_connect(engine, _WRITER_ON_SQLITE)
    return engine


def _postgres(url: URL, writing: bool) -> Engine:
    settings = {name: value for name, value in _POSTGRES.items() if name not in url.query}
    options = {} if writing else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args=settings,
            execution_options=options,
            # A connection that an outage left behind must not block those that come after it.
            **{**_POOL, "max_overflow": -1},
        )
    except ImportError as error:
        raise UsageError(
            f"--db {_hidden(url)} needs the driver of PostgreSQL: `pip install 'zhuque[postgres]'` ({error})"
        ) from error
    if writing:
        _at_connect(engine, _WRITER_ON_POSTGRES)
    return engine


def _at_connect(engine: Engine, statements: tuple[str, ...]) -> None:
    """Run these on every new connection, outside a transaction."""

    def prepare(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for sql in statements:
            cursor.execute(sql)
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", prepare)


def _revision(engine: Engine) -> Any:
    """The migration that the database is at, None where it has none."""
    with engine.begin() as db:
        if not engine.dialect.has_table(db, "alembic_version"):
            return None
        return db.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _hidden(where: object) -> str:
    """The place without a password."""
    if isinstance(where, str) and "://" in where:
        with contextlib.suppress(ArgumentError, ValueError):
            where = make_url(where)
    return where.render_as_string(hide_password=True) if isinstance(where, URL) else str(where)
