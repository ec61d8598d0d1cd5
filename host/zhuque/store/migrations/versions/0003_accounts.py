"""Accounts and their cards; on PostgreSQL the lists of sessions read an index in the order in which they are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BIG = sa.BigInteger
_BY_START = {
    "ix_sessions_started_at": (),
    "ix_sessions_account": ("account",),
    "ix_sessions_reason": ("end_reason",),
    "ix_sessions_site": ("site",),
    "ix_sessions_point": ("site", "point"),
}


def upgrade() -> None:
    """New tables; the indexes of sessions anew where their order says where nulls stand."""
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("flat", sa.Text),
        sa.Column("phone_hash", sa.String(128)),
        sa.Column("note", sa.Text),
        sa.Column("added_at", _BIG, nullable=False),
        sa.Column("disabled_at", _BIG),
        sa.Column("erased_at", _BIG),
    )
    op.create_index("ix_accounts_phone_hash", "accounts", ["phone_hash"])
    op.create_table(
        "cards",
        sa.Column("card", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(32), sa.ForeignKey("accounts.account"), nullable=False),
    )
    op.create_index("ix_cards_account", "cards", ["account"])
    if op.get_context().dialect.name == "postgresql":
        for name, columns in _BY_START.items():
            op.drop_index(name, "sessions")
            op.create_index(name, "sessions", [*columns, sa.text("started_at NULLS FIRST")])
