"""A site's own folder: its settings, keys, people, broker and inventory.

Nothing heavy is imported with this package. `settings` is read by every command; only `authority` brings cryptography
along, and only what keeps the inventory brings SQLAlchemy.
"""
