"""The site's own: whose database it is, people, the inventory, the tokens of labels."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BIG = sa.BigInteger


def _key(name: str, length: int) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sites",
        _key("site", 32),
        _key("id", 16),
        sa.Column("made_at", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("site"),
    )
    op.create_table(
        "people",
        _key("site", 32),
        _key("name", 32),
        _key("role", 16),
        sa.Column("added_at", _BIG, nullable=False),
        _key("added_by", 64),
        sa.PrimaryKeyConstraint("site", "name"),
    )
    op.create_table(
        "inventory",
        _key("site", 32),
        _key("point", 32),
        sa.Column("label", sa.Text),
        _key("board", 32),
        sa.Column("mac", sa.String(17)),
        sa.Column("chip", sa.String(40)),
        sa.Column("firmware", sa.String(32)),
        sa.Column("installed_at", _BIG),
        sa.Column("installed_by", sa.String(64)),
        sa.Column("fingerprint", sa.String(16)),
        sa.Column("trusts", sa.String(40)),
        sa.Column("issued_at", _BIG),
        sa.Column("retired_at", _BIG),
        sa.PrimaryKeyConstraint("site", "point"),
    )
    op.create_index("ix_inventory_mac", "inventory", ["mac"], unique=True)
    op.create_table(
        "inventory_events",
        sa.Column("id", sa.Integer, primary_key=True),
        _key("site", 32),
        _key("point", 32),
        sa.Column("at", _BIG, nullable=False),
        _key("by", 64),
        _key("what", 16),
        sa.Column("detail", sa.Text),
    )
    op.create_index("ix_inventory_events_point", "inventory_events", ["site", "point", "at"])
    op.create_table(
        "tokens",
        _key("site", 32),
        _key("point", 32),
        sa.Column("socket", sa.Integer, nullable=False, autoincrement=False),
        _key("token", 10),
        sa.PrimaryKeyConstraint("site", "point", "socket"),
    )
