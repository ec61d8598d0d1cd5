"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger


def _key(name: str, length: int) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=False)


def _big(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, _BIG) for name in names]


def upgrade() -> None:
    """Make every table of the first release."""
    _points_and_journals()
    _sessions()
    _the_rest()


def _points_and_journals() -> None:
    op.create_table(
        "points",
        _key("site", 32),
        _key("point", 32),
        sa.Column("online", sa.Boolean),
        sa.Column("epoch", sa.String(16)),
        sa.Column("status", sa.Text),
        sa.Column("status_at", _BIG),
        sa.Column("telemetry", sa.Text),
        sa.Column("telemetry_at", _BIG),
        sa.Column("seen_at", _BIG),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("site", "point"),
    )
    op.create_table(
        "epochs",
        _key("site", 32),
        _key("point", 32),
        _key("epoch", 16),
        sa.Column("stored_seq", _BIG, nullable=False),
        *_big("first_seq", "last_seq"),
        sa.Column("first_seen_at", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "epoch"),
    )
    op.create_table(
        "records",
        _key("site", 32),
        _key("point", 32),
        _key("epoch", 16),
        sa.Column("seq", _BIG, nullable=False),
        *_big("boot", "uptime_ms", "time"),
        _key("kind", 32),
        sa.Column("socket", _BIG),
        sa.Column("session", sa.String(36)),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("received_at", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "epoch", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clocks",
        _key("site", 32),
        _key("point", 32),
        _key("epoch", 16),
        sa.Column("boot", _BIG, nullable=False, autoincrement=False),
        sa.Column("seq", _BIG, nullable=False),
        sa.Column("uptime_ms", _BIG, nullable=False),
        sa.Column("time", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "epoch", "boot"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        _key("site", 32),
        _key("point", 32),
        _key("session", 36),
        sa.Column("socket", sa.Integer),
        sa.Column("account", sa.String(64)),
        sa.Column("source", sa.String(16)),
        *_big("started_at", "ended_at", "duration_s", "suspended_s", "energy_mwh", "peak_ma", "peak_mw"),
        sa.Column("end_reason", sa.String(32)),
        *_big("max_duration_s", "max_energy_mwh"),
        sa.Column("start_epoch", sa.String(16)),
        *_big("start_boot", "start_uptime_ms", "start_time"),
        sa.Column("end_epoch", sa.String(16)),
        *_big("end_seq", "end_boot", "end_uptime_ms", "end_time", "end_started"),
        sa.Column("totals_epoch", sa.String(16)),
        *_big("totals_seq"),
        sa.PrimaryKeyConstraint("site", "point", "session"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sessions_started_at", "sessions", ["started_at"])
    op.create_index("ix_sessions_account", "sessions", ["account", "started_at"])
    op.create_index("ix_sessions_reason", "sessions", ["end_reason", "started_at"])
    op.create_index("ix_sessions_site", "sessions", ["site", "started_at"])
    op.create_index("ix_sessions_point", "sessions", ["site", "point", "started_at"])
    for which in ("start", "end"):
        undated = sa.text(f"{which}_time IS NULL AND {which}_epoch IS NOT NULL")
        op.create_index(
            f"ix_sessions_undated_{which}",
            "sessions",
            ["site", "point", f"{which}_boot"],
            sqlite_where=undated,
            postgresql_where=undated,
        )


def _the_rest() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer, primary_key=True),
        _key("site", 32),
        _key("point", 32),
        _key("epoch", 16),
        sa.Column("seq", _BIG),
        _key("alarm", 40),
        _key("state", 16),
        *_big("socket", "time"),
        sa.Column("noticed_at", _BIG, nullable=False),
        sa.Column("detail", sa.Text),
        *_big("from_seq", "to_seq"),
        sa.UniqueConstraint("site", "point", "epoch", "seq"),
    )
    op.create_table(
        "telemetry",
        _key("site", 32),
        _key("point", 32),
        sa.Column("minute", _BIG, nullable=False, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("site", "point", "minute"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("received_at", _BIG, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("length", _BIG, nullable=False),
        _key("reason", 40),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("site", sa.String(32)),
        sa.Column("point", sa.String(32)),
        sa.Column("epoch", sa.String(16)),
        sa.Column("seq", _BIG),
    )
    op.create_index("ix_dead_letters_place", "dead_letters", ["site", "point", "epoch", "seq"])
