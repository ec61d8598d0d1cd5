"""Alembic runs this file: on the connection it was handed, inside the transaction of the caller."""

from alembic import context

from zhuque.store import site_schema  # noqa: F401 - its tables are part of the metadata
from zhuque.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
