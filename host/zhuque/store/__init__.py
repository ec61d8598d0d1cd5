"""What the collector keeps: SQLite by default, PostgreSQL by URL; one schema, migrations.

Importing this package imports nothing heavy; `.items`, `.views`, `.derive` and `.progress` are plain, the others bring
SQLAlchemy Core.
"""
