"""Alembic runs this file: on the connection it was handed, inside the transaction of the caller."""

from alembic import context

from zhuque.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
