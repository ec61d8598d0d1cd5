"""The tables. A change here comes with a migration; a test compares the two.

Times are Unix seconds. Energies and the like are the wire's integers. Nothing is ever taken out of `records`: the
other tables but `dead_letters`, `accounts` and `cards` can be made again from it.

    points        a row a point: its newest status and telemetry
    epochs        a row a journal: how far it is stored without a gap
    records       the journals as they came
    clocks        the first `clock` record of each boot: dates back what had no time
    sessions      derived from records
    costs         what closed sessions cost, and by which tariff
    alarms        what boards raised, and what the collector noticed itself (`seq` null)
    telemetry     as it came, later one row a minute, then one an hour
    thinned       how far that is done
    dead_letters  what could not be taken, and why
    accounts      whom sessions are for: all that is known of a person, and that can be erased
    cards         their cards

The tables of the site itself are in site_schema.py.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

# The newest migration: what a database must be at to be used.
REVISION = "0006"

metadata = MetaData()

points = Table(
    "points",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("online", Boolean),
    Column("epoch", String(16)),
    Column("status", Text),
    Column("status_at", BigInteger),
    Column("telemetry", Text),
    Column("telemetry_at", BigInteger),
    Column("seen_at", BigInteger),
    Column("problem", Text),
)

epochs = Table(
    "epochs",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("stored_seq", BigInteger, nullable=False),
    Column("first_seq", BigInteger),
    Column("last_seq", BigInteger),
    Column("first_seen_at", BigInteger, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("boot", BigInteger),
    Column("uptime_ms", BigInteger),
    Column("time", BigInteger),
    Column("kind", String(32), nullable=False),
    Column("socket", BigInteger),
    Column("session", String(36)),
    Column("raw", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("site", "point", "epoch", "seq"),
    sqlite_with_rowid=False,
)

clocks = Table(
    "clocks",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("boot", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("uptime_ms", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
)

# The `start_` and `end_` columns are those of the session_start and session_end record (null: not seen), `totals_`
# name the record that the totals come from; `started_at` and `ended_at` are dated back where the board had no time.
sessions = Table(
    "sessions",
    metadata,
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("session", String(36), nullable=False),
    Column("socket", Integer),
    Column("account", String(64)),
    Column("source", String(16)),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("duration_s", BigInteger),
    Column("suspended_s", BigInteger),
    Column("energy_mwh", BigInteger),
    Column("peak_ma", BigInteger),
    Column("peak_mw", BigInteger),
    Column("end_reason", String(32)),
    Column("max_duration_s", BigInteger),
    Column("max_energy_mwh", BigInteger),
    Column("start_epoch", String(16)),
    Column("start_boot", BigInteger),
    Column("start_uptime_ms", BigInteger),
    Column("start_time", BigInteger),
    Column("end_epoch", String(16)),
    Column("end_seq", BigInteger),
    Column("end_boot", BigInteger),
    Column("end_uptime_ms", BigInteger),
    Column("end_time", BigInteger),
    Column("end_started", BigInteger),
    Column("totals_epoch", String(16)),
    Column("totals_seq", BigInteger),
    PrimaryKeyConstraint("site", "point", "session"),
    sqlite_with_rowid=False,
)

# What a report asks of a month without walking through the records.
RARE = text("kind IN ('trip', 'reset') OR (kind = 'session_checkpoint' AND session IS NULL)")
Index("ix_records_rare", records.c.site, records.c.kind, records.c.time, sqlite_where=RARE)
Index("ix_sessions_ended", sessions.c.site, sessions.c.ended_at)
# As in the lists. SQLite, whose nulls stand first anyhow, has them without saying so.
_STARTED = sessions.c.started_at.nulls_first()
Index("ix_sessions_started_at", _STARTED)
Index("ix_sessions_account", sessions.c.account, _STARTED)
Index("ix_sessions_reason", sessions.c.end_reason, _STARTED)
Index("ix_sessions_site", sessions.c.site, _STARTED)
Index("ix_sessions_point", sessions.c.site, sessions.c.point, _STARTED)
# Partial on PostgreSQL too; only the migration says so, for naming that dialect here imports it.
_UNDATED_START = text("start_time IS NULL AND start_epoch IS NOT NULL")
_UNDATED_END = text("end_time IS NULL AND end_epoch IS NOT NULL")
Index(
    "ix_sessions_undated_start",
    sessions.c.site,
    sessions.c.point,
    sessions.c.start_boot,
    sqlite_where=_UNDATED_START,
)
Index(
    "ix_sessions_undated_end",
    sessions.c.site,
    sessions.c.point,
    sessions.c.end_boot,
    sqlite_where=_UNDATED_END,
)

costs = Table(
    "costs",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("session", String(36), primary_key=True),
    Column("tariff", String(32), nullable=False),
    Column("digest", String(16), nullable=False),
    Column("energy_mwh", BigInteger, nullable=False),
    Column("electricity_fen", BigInteger, nullable=False),
    Column("service_fen", BigInteger, nullable=False),
    Column("priced_at", BigInteger, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger),
    Column("alarm", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("socket", BigInteger),
    Column("time", BigInteger),
    Column("noticed_at", BigInteger, nullable=False),
    Column("detail", Text),
    # records_lost: the places in the journal that are gone, and how many of them are still missing
    Column("from_seq", BigInteger),
    Column("to_seq", BigInteger),
    Column("missing", BigInteger),
    Column("cleared_at", BigInteger),
    UniqueConstraint("site", "point", "epoch", "seq"),
)
Index("ix_alarms_from_seq", alarms.c.site, alarms.c.point, alarms.c.epoch, alarms.c.from_seq, unique=True)

telemetry = Table(
    "telemetry",
    metadata,
    Column("site", String(32), nullable=False),
    Column("point", String(32), nullable=False),
    Column("at", BigInteger, nullable=False, autoincrement=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("site", "point", "at"),
    sqlite_with_rowid=False,
)

thinned = Table(
    "thinned",
    metadata,
    Column("site", String(32), primary_key=True),
    Column("point", String(32), primary_key=True),
    Column("step_s", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("received_at", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("site", String(32)),
    Column("point", String(32)),
    Column("epoch", String(16)),
    Column("seq", BigInteger),
)
Index(
    "ix_dead_letters_place",
    dead_letters.c.site,
    dead_letters.c.point,
    dead_letters.c.epoch,
    dead_letters.c.seq,
)

accounts = Table(
    "accounts",
    metadata,
    Column("account", String(32), primary_key=True),
    Column("name", Text),
    Column("flat", Text),
    Column("phone_hash", String(128)),
    Column("note", Text),
    Column("added_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("erased_at", BigInteger),
)
Index("ix_accounts_phone_hash", accounts.c.phone_hash)

cards = Table(
    "cards",
    metadata,
    Column("card", String(32), primary_key=True),
    Column("account", String(32), ForeignKey("accounts.account"), nullable=False),
)
Index("ix_cards_account", cards.c.account)
