"""Questions to the database, for `session list` and `status`: plain values out, units of the wire.

Rows come as a stream: an export of millions takes no more memory than a page of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zhuque.store.engine import Database
from zhuque.store.views import PointView

SHOWN = (
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
    "energy_mwh",
    "peak_mw",
    "end_reason",
)


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions: None is any; `since` <= started_at < `until` in Unix seconds; `limit` the newest so many."""

    site: str | None = None
    point: str | None = None
    socket: int | None = None
    account: str | None = None
    since: int | None = None
    until: int | None = None
    reason: str | None = None
    open: bool | None = None
    limit: int | None = None


def session_rows(database: Database, wanted: SessionFilter) -> Iterator[dict[str, Any]]:
    """The sessions, oldest first; those whose start is not known come first of all."""
    where, parameters = _conditions(wanted)
    columns = ", ".join(SHOWN)
    first, last = ("NULLS FIRST", "NULLS LAST") if database.postgres else ("", "")
    order = f"started_at {first}, site, point, session"
    sql = f"SELECT {columns} FROM sessions{where}"
    if wanted.limit is not None:
        backwards = f"started_at DESC {last}, site DESC, point DESC, session DESC"
        sql = f"SELECT {columns} FROM ({sql} ORDER BY {backwards} LIMIT {wanted.limit:d}) AS newest"
    with database.transaction() as db:
        for row in db.stream(f"{sql} ORDER BY {order}", parameters):
            yield dict(zip(SHOWN, row, strict=True))


def point_views(database: Database, site: str | None = None, point: str | None = None) -> list[PointView]:
    """The points, by name."""
    named = {name: value for name, value in (("site", site), ("point", point)) if value is not None}
    where = " WHERE " + " AND ".join(f"{name} = ?" for name in named) if named else ""
    sql = f"SELECT site, point, online, status, telemetry, seen_at, problem FROM points{where} ORDER BY site, point"
    with database.transaction() as db:
        rows = db.rows(sql, list(named.values()))
    return [
        PointView(
            site,
            point,
            None if online is None else bool(online),
            json.loads(status or "{}"),
            json.loads(telemetry or "{}"),
            seen_at,
            problem,
        )
        for site, point, online, status, telemetry, seen_at, problem in rows
    ]


def _conditions(wanted: SessionFilter) -> tuple[str, list[Any]]:
    # An account and "open" leave few rows: let no database walk through a whole site to find them.
    few = " || ''" if wanted.account is not None or wanted.open else ""
    compared = {
        f"site{few} = ?": wanted.site,
        f"point{few} = ?": wanted.point,
        "socket = ?": wanted.socket,
        "account = ?": wanted.account,
        "end_reason = ?": wanted.reason,
        "started_at >= ?": wanted.since,
        "started_at < ?": wanted.until,
    }
    given = {sql: value for sql, value in compared.items() if value is not None}
    conditions = list(given)
    if wanted.open is not None:
        conditions.append("end_reason IS NULL" if wanted.open else "end_reason IS NOT NULL")
    return " WHERE " + " AND ".join(conditions) if conditions else "", list(given.values())
