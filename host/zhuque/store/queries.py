"""Questions to the database, for `session list`, `session export` and `status`: plain values out, units of the wire.

Rows come as a stream: an export of millions takes no more memory than a page of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select, union
from sqlalchemy.engine import Engine

from zhuque.store.schema import epochs, points, sessions
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
_ORDER = ("site", "point", "session")
_PAGE = 1000


@dataclass(frozen=True)
class SessionFilter:
    """Which sessions: None is any; `since` <= started_at < `until` in Unix seconds; energy is that of the session so
    far; `limit` the newest so many."""

    site: str | None = None
    point: str | None = None
    socket: int | None = None
    account: str | None = None
    since: int | None = None
    until: int | None = None
    reason: str | None = None
    open: bool | None = None
    min_energy_mwh: int | None = None
    limit: int | None = None


def session_rows(engine: Engine, wanted: SessionFilter) -> Iterator[dict[str, Any]]:
    """The sessions, oldest first; those whose start is not known come first of all."""
    query = select(*(sessions.c[name] for name in SHOWN)).where(*conditions(wanted))
    columns: Any = sessions.c
    if wanted.limit is not None:
        backwards = [sessions.c.started_at.desc().nulls_last(), *(sessions.c[name].desc() for name in _ORDER)]
        newest = query.order_by(*backwards).limit(wanted.limit).subquery("newest")
        query, columns = select(newest), newest.c
    query = query.order_by(columns.started_at.nulls_first(), *(columns[name] for name in _ORDER))
    with engine.begin() as db:
        for row in db.execute(query, execution_options={"yield_per": _PAGE}):
            yield dict(zip(SHOWN, row, strict=True))


def count_sessions(engine: Engine, wanted: SessionFilter) -> int:
    """How many rows `session_rows` gives."""
    query = select(func.count()).select_from(sessions).where(*conditions(wanted))
    with engine.begin() as db:
        found = db.scalars(query).one()
    return found if wanted.limit is None else min(found, wanted.limit)


def points_of(engine: Engine) -> list[tuple[str, str]]:
    """(site, point) of every point that a status, telemetry or a record came from, by name."""
    known = union(select(points.c.site, points.c.point), select(epochs.c.site, epochs.c.point)).subquery()
    with engine.begin() as db:
        rows = db.execute(select(known).order_by(known.c.site, known.c.point))
        return [(site, point) for site, point in rows]


def point_views(engine: Engine, site: str | None = None, point: str | None = None) -> list[PointView]:
    """The points, by name."""
    c = points.c
    query = select(c.site, c.point, c.online, c.status, c.telemetry, c.seen_at, c.problem)
    if site is not None:
        query = query.where(c.site == site)
    if point is not None:
        query = query.where(c.point == point)
    with engine.begin() as db:
        rows = db.execute(query.order_by(c.site, c.point)).all()
    return [
        PointView(
            site,
            point,
            online,
            json.loads(status or "{}"),
            json.loads(telemetry or "{}"),
            seen_at,
            problem,
        )
        for site, point, online, status, telemetry, seen_at, problem in rows
    ]


def conditions(wanted: SessionFilter) -> Iterator[ColumnElement[bool]]:
    """The filter but for its limit."""
    c = sessions.c
    site, point = c.site, c.point
    if wanted.account is not None or wanted.open:
        # These leave few rows: let no database walk through a whole site to find them.
        site, point = site + literal_column("''"), point + literal_column("''")  # type: ignore[assignment]
    for column, value in (
        (site, wanted.site),
        (point, wanted.point),
        (c.socket, wanted.socket),
        (c.account, wanted.account),
        (c.end_reason, wanted.reason),
    ):
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield c.started_at >= wanted.since
    if wanted.until is not None:
        yield c.started_at < wanted.until
    if wanted.min_energy_mwh is not None:
        yield c.energy_mwh >= wanted.min_energy_mwh
    if wanted.open is not None:
        yield c.end_reason.is_(None) if wanted.open else c.end_reason.is_not(None)
