"""Questions to the database, for `session list`, `session export` and `status`: plain values out, units of the wire.

Rows come as a stream: an export of millions takes no more memory than a page of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, select, text, union
from sqlalchemy.engine import Connection, Engine

from zhuque.store import locked
from zhuque.store.derive import back_dated
from zhuque.store.schema import RARE, clocks, epochs, points, records, sessions
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
# Word for word as the index has it, or no database uses that; in brackets, for AND binds before OR.
_RARE = text(f"({RARE.text})")


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
    """The points, by name, with what is locked there."""
    c = points.c
    query = select(c.site, c.point, c.online, c.status, c.telemetry, c.seen_at, c.problem, c.epoch)
    if site is not None:
        query = query.where(c.site == site)
    if point is not None:
        query = query.where(c.point == point)
    with engine.begin() as db:
        rows = db.execute(query.order_by(c.site, c.point)).all()
        views = {
            (row.site, row.point, row.epoch): PointView(
                row.site,
                row.point,
                row.online,
                json.loads(row.status or "{}"),
                json.loads(row.telemetry or "{}"),
                row.seen_at,
                row.problem,
                (),
            )
            for row in rows
        }
        _add_lockouts(db, views)
    return list(views.values())


def _add_lockouts(db: Connection, views: dict[tuple[str, str, str], PointView]) -> None:
    """What is locked, and for what, where the point says that anything is: elsewhere no record is looked at."""
    saying = {journal for journal, view in views.items() if _says_locked(view)}
    for site in sorted({site for site, _, _ in saying}):
        told: dict[tuple[str, str, str], list[tuple[int, locked.Told]]] = {}
        for kind in ("trip", "reset"):
            for journal, seq, record in _lock_records(db, kind, site):
                if journal in saying:
                    told.setdefault(journal, []).append((seq, record))
        for journal, found in told.items():
            view = views[journal]
            lockouts = locked.standing(record for _, record in sorted(found, key=lambda item: item[0]))
            states = [row[0] for row in view.telemetry.get("sockets", [])]
            believed = locked.believed(lockouts, view.status.get("state"), states)
            views[journal] = replace(view, lockouts=believed)


def _says_locked(view: PointView) -> bool:
    sockets = view.telemetry.get("sockets", [])
    return view.status.get("state") == "locked" or any(row[0] == "locked" for row in sockets)


def _lock_records(
    db: Connection, kind: str, site: str
) -> Iterator[tuple[tuple[str, str, str], int, locked.Told]]:
    """(journal, seq, record) of each trip or reset of a site, dated back where the board had no clock."""
    r, k = records.c, clocks.c
    clocked = records.outerjoin(
        clocks,
        and_(r.time.is_(None), k.site == r.site, k.point == r.point, k.epoch == r.epoch, k.boot == r.boot),
    )
    query = select(
        r.point, r.epoch, r.seq, r.socket, r.session, r.raw, r.time, r.uptime_ms, k.uptime_ms, k.time
    ).select_from(clocked)
    wanted = (r.site == site, r.kind == kind, _RARE)
    for point, epoch, seq, socket, session, raw, at, uptime_ms, *clock in db.execute(query.where(*wanted)):
        if at is None and uptime_ms is not None and clock[0] is not None:
            at = back_dated(uptime_ms, (clock[0], clock[1]))
        cause = str(json.loads(raw).get("cause"))
        yield (site, point, epoch), seq, locked.Told(kind, socket, session, cause, at)


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
