"""Migrations, run from the package: no alembic.ini, no command line."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine

from zhuque.errors import StoreError

SCRIPTS = Path(__file__).with_name("migrations")
# Two that come to one new PostgreSQL at once: the second waits. Any number, but always this one.
_LOCK = 0x5A485551


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to a revision, in one transaction; nothing where it is. Raises StoreError."""
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise StoreError(
            f"the database cannot be migrated: {error}; a newer zhuque made it: upgrade this one"
        ) from error


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
