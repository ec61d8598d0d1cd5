"""The columns that whole rows are written to, in order, with their types on PostgreSQL; and the newest migration.

Apart from `schema.py`, which holds everything but takes SQLAlchemy to import; a test compares the two.
"""

from __future__ import annotations

# The newest migration: what a database must be at to be used.
REVISION = "0002"

Shape = dict[str, str]


def _shape(order: str, big: str) -> Shape:
    """Columns in `order`; those named in `big` are numbers, the others text."""
    numbers = set(big.split())
    return {name: "bigint" if name in numbers else "text" for name in order.split()}


TABLES: dict[str, Shape] = {
    "records": _shape(
        order="site point epoch seq boot uptime_ms time kind socket session raw received_at",
        big="seq boot uptime_ms time socket received_at",
    ),
    "sessions": _shape(
        order="site point session socket account source started_at ended_at duration_s suspended_s energy_mwh"
        " peak_ma peak_mw end_reason max_duration_s max_energy_mwh start_epoch start_boot start_uptime_ms start_time"
        " end_epoch end_seq end_boot end_uptime_ms end_time end_started totals_epoch totals_seq",
        big="socket started_at ended_at duration_s suspended_s energy_mwh peak_ma peak_mw max_duration_s"
        " max_energy_mwh start_boot start_uptime_ms start_time end_seq end_boot end_uptime_ms end_time end_started"
        " totals_seq",
    ),
    "alarms": _shape(
        order="site point epoch seq alarm state socket time noticed_at detail from_seq to_seq missing",
        big="seq socket time noticed_at from_seq to_seq missing",
    ),
    "dead_letters": {
        **_shape(order="digest received_at topic", big="received_at"),
        "payload": "bytea",
        **_shape(
            order="length reason detail site point epoch seq",
            big="length seq",
        ),
    },
    "telemetry": _shape(order="site point at body", big="at"),
    "epochs": _shape(
        order="site point epoch stored_seq first_seq last_seq first_seen_at",
        big="stored_seq first_seq last_seq first_seen_at",
    ),
}
