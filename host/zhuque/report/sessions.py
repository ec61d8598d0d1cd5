"""A session as other programs see it: `session list --json` and `--csv`, and every export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zhuque.report import figures

# In this order, for ever; a column is only ever appended.
COLUMNS = (
    "site",
    "point",
    "socket",
    "session",
    "account",
    "source",
    "started_at",
    "ended_at",
    "duration_s",
    "suspended_s",
    "energy_wh",
    "peak_w",
    "end_reason",
)


def public(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a session, with times in UTC and its integers as exact decimals of Wh and W."""
    out = {name: row.get(name) for name in COLUMNS}
    out["started_at"] = figures.utc_iso(row["started_at"])
    out["ended_at"] = figures.utc_iso(row["ended_at"])
    out["energy_wh"] = figures.milli(row["energy_mwh"])
    out["peak_w"] = figures.milli(row["peak_mw"])
    return out
