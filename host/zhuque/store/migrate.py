"""Migrations, run from the package: no alembic.ini, no command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from zhuque.errors import StoreError
from zhuque.store.engine import Database

SCRIPTS = Path(__file__).with_name("migrations")
# Two that come to one new PostgreSQL at once: the second waits. Any number, but always this one.
_LOCK = 0x5A485551


def sqlalchemy_engine(database: Database) -> Engine:
    """An SQLAlchemy engine on the same database, with the same connections."""
    url = "postgresql+psycopg://" if database.postgres else "sqlite://"

    def connect() -> Any:
        return database._connect()

    engine = sa.create_engine(url, creator=connect, poolclass=NullPool)
    if not database.postgres:
        sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def upgrade(database: Database) -> None:
    """Bring the database to the newest revision, in one transaction; nothing where it is. Raises StoreError."""
    engine = sqlalchemy_engine(database)
    try:
        with engine.begin() as connection:
            if database.postgres:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise StoreError(
            f"the database cannot be migrated: {error}; a newer zhuque made it: upgrade this one"
        ) from error
    except DBAPIError as error:
        raise error.orig or error from error  # as the drivers say it: engine.translate knows those
    finally:
        engine.dispose()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
