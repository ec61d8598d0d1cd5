"""Opens a database: a file's path, or a URL (`postgresql://…`).

Rules: a writer begins its transactions with BEGIN IMMEDIATE and commits with synchronous=FULL in WAL mode, so what is
acknowledged survives a power cut; a reader opens the file read-only and never makes one. Alembic is imported only
where there is something to migrate. Errors of the driver leave this package as StoreError: `translate` does that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from zhuque.errors import NotFoundError, StoreBusyError, StoreError, UsageError
from zhuque.store.schema import REVISION

_BUSY_TIMEOUT_S = 1.0
_READER_TIMEOUT_S = 5.0


def open_writer(where: str | Path) -> Engine:
    """An engine that may write; makes the file and migrates it where needed. Raises StoreError."""
    engine = _engine(str(where), writing=True)
    with translate(where):
        if _revision(engine) != REVISION:
            from zhuque.store.migrate import upgrade

            upgrade(engine)
    return engine


def open_reader(where: str | Path) -> Engine:
    """An engine that only reads. Raises NotFoundError where there is no such file, StoreError."""
    engine = _engine(str(where), writing=False)
    with translate(where):
        found = _revision(engine)
    if found is None:
        raise StoreError(f"{where} is not a zhuque database yet: let `zhuque collect --db {where}` make it")
    if found != REVISION:
        raise StoreError(
            f"{where} is at revision {found}, this zhuque reads {REVISION}:"
            " start `zhuque collect` once with the newer of the two, it migrates"
        )
    return engine


@contextmanager
def translate(where: object) -> Iterator[None]:
    """Raise StoreBusyError for what may pass by itself and StoreError for the rest of what a database says."""
    try:
        yield
    except OperationalError as error:
        raise StoreBusyError(f"database {_hidden(where)}: {_said(error)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"database {_hidden(where)}: {_said(error)}") from error


def _said(error: SQLAlchemyError) -> str:
    text = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return " ".join(text.split())


def _hidden(where: object) -> str:
    """The place without a password."""
    text = str(where)
    return sa.make_url(text).render_as_string(hide_password=True) if "://" in text else text


def _engine(where: str, writing: bool) -> Engine:
    if "://" in where and not where.startswith("sqlite"):
        try:
            return sa.create_engine(where, pool_pre_ping=False, poolclass=None if writing else NullPool)
        except (NoSuchModuleError, ModuleNotFoundError, sa.exc.ArgumentError) as error:
            raise UsageError(
                f"--db {_hidden(where)} cannot be used: {error}; give a path, or a"
                " postgresql+psycopg:// URL with `pip install zhuque[postgres]`"
            ) from error
    path = Path(sa.make_url(where).database or "" if "://" in where else where).absolute()
    if not writing and not path.is_file():
        raise NotFoundError(f"no database at {path}: `zhuque collect --db {path}` makes it")
    if writing and not path.parent.is_dir():
        raise NotFoundError(f"no folder {path.parent} for the database: make it first")

    def connect() -> sqlite3.Connection:
        return _connect(path, writing)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=QueuePool if writing else NullPool)
    sa.event.listen(engine, "begin", _begin_immediate if writing else _begin)
    return engine


def _connect(path: Path, writing: bool) -> sqlite3.Connection:
    timeout = _BUSY_TIMEOUT_S if writing else _READER_TIMEOUT_S
    uri = path.as_uri() + ("?mode=rwc" if writing else "?mode=ro")
    connection = sqlite3.connect(
        uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    if writing:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _revision(engine: Engine) -> Any:
    """The migration that the database is at, None where it has none."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
