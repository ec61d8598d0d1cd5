"""Telemetry by its moment, thinned later; losses that can be taken back; the collector's own marks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Keep what is there: a row of a minute becomes a row of its last second."""
    op.rename_table("telemetry", "telemetry_0001")
    op.create_table(
        "telemetry",
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("point", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "at", name="telemetry_at_pkey"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO telemetry (site, point, at, body)"
        " SELECT site, point, minute * 60 + 59, body FROM telemetry_0001"
    )
    op.drop_table("telemetry_0001")
    op.create_table(
        "thinned",
        sa.Column("site", sa.String(32), nullable=False),
        sa.Column("point", sa.String(32), nullable=False),
        sa.Column("step_s", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "step_s"),
    )
    op.add_column("alarms", sa.Column("missing", sa.BigInteger))
    op.add_column("alarms", sa.Column("cleared_at", sa.BigInteger))
    op.execute("UPDATE alarms SET missing = 1 + to_seq - from_seq WHERE alarm = 'records_lost'")
    op.create_index("ix_alarms_from_seq", "alarms", ["site", "point", "epoch", "from_seq"], unique=True)
