"""What the collector keeps: SQLite by default, PostgreSQL by URL; one schema, migrations.

Importing this package imports nothing heavy; `zhuque.store.engine`, `.write` and `.queries` bring SQLAlchemy.
"""
