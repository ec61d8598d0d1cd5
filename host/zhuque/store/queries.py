"""Questions to the database, for `session list` and `status`: plain values out, units of the wire.

Rows come as a stream: an export of millions takes no more memory than a page of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, RowMapping

from zhuque.store.schema import points, sessions
from zhuque.store.views import PointView


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


_SHOWN = [
    sessions.c[name]
    for name in [
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
    ]
]


def session_rows(engine: Engine, wanted: SessionFilter) -> Iterator[RowMapping]:
    """The sessions, oldest first; those whose start is not known come first of all."""
    query = sa.select(*_SHOWN).where(*_conditions(wanted))
    order: tuple[sa.ColumnElement[Any], ...] = (
        sessions.c.started_at,
        sessions.c.site,
        sessions.c.point,
        sessions.c.session,
    )
    if wanted.limit is not None:
        newest = query.order_by(*(column.desc() for column in order)).limit(wanted.limit).subquery()
        query = sa.select(newest)
        order = (newest.c.started_at, newest.c.site, newest.c.point, newest.c.session)
    query = query.order_by(*(column.asc() for column in order))
    with engine.connect() as connection:
        yield from connection.execution_options(yield_per=500).execute(query).mappings()


def point_views(engine: Engine, site: str | None = None, point: str | None = None) -> list[PointView]:
    """The points, by name."""
    query = sa.select(points).order_by(points.c.site, points.c.point)
    if site is not None:
        query = query.where(points.c.site == site)
    if point is not None:
        query = query.where(points.c.point == point)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        PointView(
            row["site"],
            row["point"],
            row["online"],
            json.loads(row["status"] or "{}"),
            json.loads(row["telemetry"] or "{}"),
            row["seen_at"],
            row["problem"],
        )
        for row in rows
    ]


def _conditions(wanted: SessionFilter) -> list[sa.ColumnElement[bool]]:
    c = sessions.c
    # An account and "open" leave few rows: let no database walk through a whole site to find them.
    few = wanted.account is not None or bool(wanted.open)
    equal = (
        (c.site + "" if few else c.site, wanted.site),
        (c.point + "" if few else c.point, wanted.point),
        (c.socket, wanted.socket),
        (c.account, wanted.account),
        (c.end_reason, wanted.reason),
    )
    conditions: list[sa.ColumnElement[bool]] = [
        column == value for column, value in equal if value is not None
    ]
    if wanted.since is not None:
        conditions.append(c.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(c.started_at < wanted.until)
    if wanted.open is not None:
        conditions.append(c.end_reason.is_(None) if wanted.open else c.end_reason.is_not(None))
    return conditions
