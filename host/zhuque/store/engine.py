"""Opens a database, a file's path or a URL (`postgresql://…`), and runs SQL on it: a thin layer over the drivers.

Rules: one SQL for both; a parameter is written `?`. A transaction of a writer begins with BEGIN IMMEDIATE on SQLite,
in WAL mode with synchronous=FULL, and commits with synchronous_commit on PostgreSQL: what is acknowledged survives a
power cut. A reader opens the file read-only and never makes one. After an error the connection is closed, for what it
had open may be what is wrong. SQLAlchemy and Alembic are imported only where there is something to migrate. Errors of
the drivers leave this package as StoreError: `translate` does that.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import unquote, urlsplit

from zhuque.errors import NotFoundError, StoreBusyError, StoreError, UsageError
from zhuque.store.shapes import REVISION, TABLES

Row = tuple[Any, ...]

_BUSY_TIMEOUT_S = 1.0
_READER_TIMEOUT_S = 5.0
_FETCH = 1000
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "zhuque",
}


class Transaction:
    """SQL inside one transaction."""

    def __init__(self, connection: Any, postgres: bool) -> None:
        self.postgres = postgres
        self._connection = connection

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The cursor after one statement."""
        return self._connection.execute(_dollars(sql) if self.postgres else sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Everything that a query gives."""
        found: list[Row] = self.run(sql, parameters).fetchall()
        return found

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row, None where there is none."""
        row = self.run(sql, parameters).fetchone()
        return None if row is None else row[0]

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """One statement for every row; how many rows it changed."""
        if not self.postgres:
            return int(self._connection.executemany(sql, rows).rowcount)
        with self._connection.cursor() as cursor:
            cursor.executemany(_dollars(sql), rows)
            return int(cursor.rowcount)

    def insert(self, table: str, rows: Sequence[Sequence[Any]], conflict: str) -> int:
        """Insert rows with the columns of TABLES[table]; `conflict` follows ON CONFLICT. How many rows it changed."""
        if not rows:
            return 0
        if not self.postgres:
            return int(self._connection.executemany(_insert_values(table, conflict), rows).rowcount)
        # One statement with an array a column is several times faster than a statement a row.
        forms = TABLES[table].values()
        columns = [_array(column, form) for column, form in zip(zip(*rows, strict=True), forms, strict=True)]
        return int(self._connection.execute(_insert_arrays(table, conflict), columns).rowcount)

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query as they come: an export of millions takes no more memory than a page of them."""
        if not self.postgres:
            yield from self.run(sql, parameters)
            return
        with self._connection.cursor(name="zhuque_stream") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(_dollars(sql), parameters)
            yield from cursor


class Database:
    """A database with one connection, made when it is needed; usable from any thread, by one at a time."""

    def __init__(self, where: str, connect: Callable[[], Any], postgres: bool, writing: bool) -> None:
        self.where = where
        self.postgres = postgres
        self._connect = connect
        self._begin = None if postgres else "BEGIN IMMEDIATE" if writing else "BEGIN"
        self._connection: Any = None
        self._lock = RLock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Committed at the end, rolled back by an exception. Raises what the driver raises."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                if self._begin:
                    self._connection.execute(self._begin)
                yield Transaction(self._connection, self.postgres)
                self._connection.commit()
            except BaseException:
                self.dispose()
                raise

    def dispose(self) -> None:
        """Close the connection; what is not committed is rolled back. The next transaction opens another."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(*driver_errors()):
                    connection.close()


def open_writer(where: str | Path) -> Database:
    """A database that may be written; makes the file and migrates it where needed. Raises StoreError."""
    database = _database(str(where), writing=True)
    with translate(where):
        if _revision(database) != REVISION:
            from zhuque.store.migrate import upgrade

            upgrade(database)
    return database


def open_reader(where: str | Path) -> Database:
    """A database that is only read. Raises NotFoundError where there is no such file, StoreError."""
    database = _database(str(where), writing=False)
    with translate(where):
        found = _revision(database)
    if found is None:
        raise StoreError(
            f"{_hidden(where)} is not a zhuque database yet: let `zhuque collect --db …` make it"
        )
    if found != REVISION:
        raise StoreError(
            f"{_hidden(where)} is at revision {found}, this zhuque reads {REVISION}:"
            " run `zhuque db migrate` with the newer of the two"
        )
    return database


@contextmanager
def translate(where: object) -> Iterator[None]:
    """Raise StoreBusyError for what may pass by itself and StoreError for the rest of what a database says."""
    try:
        yield
    except driver_errors() as error:
        kind = StoreBusyError if may_pass(error) else StoreError
        raise kind(f"database {_hidden(where)}: {' '.join(str(error).split())}") from error


def driver_errors() -> tuple[type[Exception], ...]:
    """What the drivers in use raise."""
    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error, psycopg.Error) if psycopg else (sqlite3.Error,)


def may_pass(error: Exception) -> bool:
    """True for what is no fault of the SQL or the values: locked, full, read-only, gone."""
    psycopg = sys.modules.get("psycopg")
    if psycopg and isinstance(
        error, psycopg.OperationalError | psycopg.InternalError | psycopg.InterfaceError
    ):
        return True
    return isinstance(error, sqlite3.OperationalError)


def is_refused_value(error: Exception) -> bool:
    """True when the database does not take a value: the others of the batch may be sound."""
    psycopg = sys.modules.get("psycopg")
    if psycopg and isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.DataError | psycopg.IntegrityError)
    if isinstance(error, sqlite3.Error):
        refusals = (
            sqlite3.DataError | sqlite3.IntegrityError | sqlite3.InterfaceError | sqlite3.ProgrammingError
        )
        return isinstance(error, refusals)
    return isinstance(error, ValueError | OverflowError)


# --- SQL for each ----------------------------------------------------------------------------------------------------


@lru_cache(256)
def _dollars(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


@lru_cache(64)
def _insert_values(table: str, conflict: str) -> str:
    names = list(TABLES[table])
    marks = ",".join("?" * len(names))
    return f"INSERT INTO {table} ({','.join(names)}) VALUES ({marks}) ON CONFLICT {conflict}"


@lru_cache(64)
def _insert_arrays(table: str, conflict: str) -> str:
    names = ",".join(TABLES[table])
    arrays = ",".join(f"%s::{form}[]" for form in TABLES[table].values())
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT {conflict}"


def _array(column: Sequence[Any], form: str) -> Any:
    """A column as PostgreSQL writes an array; the driver's own way takes most of the time of a batch."""
    if form == "bigint":
        return "{" + ",".join(["NULL" if value is None else str(value) for value in column]) + "}"
    if form == "text":
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in column]) + "}"
    return list(column)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- connections -----------------------------------------------------------------------------------------------------


def _database(where: str, writing: bool) -> Database:
    scheme, separator, rest = where.partition("://")
    if separator and scheme != "sqlite":
        if scheme not in _SCHEMES:
            raise UsageError(f"--db {_hidden(where)} cannot be used: give a path or a postgresql:// URL")
        url = "postgresql://" + rest
        return Database(where, lambda: _connect_postgres(url, writing), True, writing)
    path = Path(rest[1:] if separator else where).absolute()
    if not writing and not path.is_file():
        raise NotFoundError(f"no database at {path}: `zhuque collect --db {path}` makes it")
    if writing and not path.parent.is_dir():
        raise NotFoundError(f"no folder {path.parent} for the database: make it first")
    return Database(where, lambda: _connect(path, writing), False, writing)


def _connect(path: Path, writing: bool) -> sqlite3.Connection:
    timeout = _BUSY_TIMEOUT_S if writing else _READER_TIMEOUT_S
    uri = path.as_uri() + ("?mode=rwc" if writing else "?mode=ro")
    connection = sqlite3.connect(
        uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    if writing:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _connect_postgres(url: str, writing: bool) -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            f"--db {_hidden(url)} needs the driver of PostgreSQL: `pip install 'zhuque[postgres]'` ({error})"
        ) from error
    settings = [
        # A second one that migrates or rebuilds is waited for as a locked file is.
        "SET lock_timeout = '2s'",
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    ]
    if not writing:
        settings = ["SET default_transaction_read_only = on"]
    connection = psycopg.connect(url, autocommit=True, **_missing_from(url))
    try:
        for sql in settings:
            connection.execute(sql)
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _missing_from(url: str) -> dict[str, Any]:
    """Our settings of a connection, less those that the URL has."""
    return {name: value for name, value in _POSTGRES.items() if name + "=" not in url}


def _hidden(where: object) -> str:
    """The place without a password."""
    text = str(where)
    if "://" not in text:
        return text
    with contextlib.suppress(ValueError):
        password = urlsplit(text).password
        if password:
            text = text.replace(":" + password + "@", ":***@", 1)
            text = text.replace(unquote(password), "***") if len(password) > 3 else text
    return text


def _revision(database: Database) -> Any:
    """The migration that the database is at, None where it has none."""
    exists = (
        "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
        if database.postgres
        else "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    )
    with database.transaction() as transaction:
        if transaction.value(exists) is None:
            return None
        return transaction.value("SELECT version_num FROM alembic_version")
