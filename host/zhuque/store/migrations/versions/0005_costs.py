"""What sessions cost; and indexes for the report of a month."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_RARE = sa.text("kind IN ('trip', 'reset') OR (kind = 'session_checkpoint' AND session IS NULL)")


def upgrade() -> None:
    """Costs, none yet."""
    op.create_table(
        "costs",
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("point", sa.String(32), nullable=False),
        sa.Column("session", sa.String(36), nullable=False),
        sa.Column("tariff", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(16), nullable=False),
        sa.Column("energy_mwh", sa.BigInteger, nullable=False),
        sa.Column("electricity_fen", sa.BigInteger, nullable=False),
        sa.Column("service_fen", sa.BigInteger, nullable=False),
        sa.Column("priced_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "session"),
    )
    op.create_index(
        "ix_records_rare",
        "records",
        ["site", "kind", "time"],
        sqlite_where=_RARE,
        postgresql_where=_RARE,
    )
    op.create_index("ix_sessions_ended", "sessions", ["site", "ended_at"])
