"""What a report of some weeks asks beside the sessions: trips, resets, alarms, losses, how long points were heard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Integer, and_, cast, func, select, text
from sqlalchemy.engine import Connection, Engine

from zhuque.store import derive, schema

HOUR_S = 3600
# With one kind, and word for word as the index has it, or no database uses that; in brackets, for AND binds before OR.
_RARE = text(f"({schema.RARE.text})")


@dataclass
class Events:
    """Of one site in [since, until). Counters are by (point, name)."""

    trips: Counter[tuple[str, str]] = field(default_factory=Counter)
    resets: Counter[tuple[str, str]] = field(default_factory=Counter)
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost_records: Counter[str] = field(default_factory=Counter)  # by point: still missing
    stray_mwh: Counter[str] = field(default_factory=Counter)  # by point: outside any session
    open_sessions: int = 0  # begun before `until`, without an end
    open_mwh: int = 0  # what they had counted so far
    undated_sessions: int = 0  # ended, nobody knows when: of whatever month
    undated_mwh: int = 0
    hours_heard: Counter[str] = field(default_factory=Counter)  # by point: hours with telemetry
    points: list[str] = field(default_factory=list)


def events(engine: Engine, site: str, since: int, until: int) -> Events:
    """One view of the database."""
    found = Events()
    with engine.begin() as db:
        c = schema.points.c
        found.points = list(db.scalars(select(c.point).where(c.site == site).order_by(c.point)))
        _records(db, found, site, since, until)
        _alarms(db, found, site, since, until)
        _open(db, found, site, until)
        t = schema.telemetry.c
        hour = cast(t.at - t.at % HOUR_S, Integer)
        query = (
            select(t.point, func.count(hour.distinct()))
            .where(t.site == site, t.at >= since, t.at < until)
            .group_by(t.point)
        )
        for point, hours in db.execute(query):
            found.hours_heard[point] = hours
    return found


def _records(db: Connection, found: Events, site: str, since: int, until: int) -> None:
    for kind, counter in (("trip", found.trips), ("reset", found.resets)):
        for point, body in _of_kind(db, kind, site, since, until):
            counter[point, str(body.get("cause"))] += 1
    for point, body in _of_kind(db, "session_checkpoint", site, since, until):
        found.stray_mwh[point] += body.get("energy_mwh") or 0


def _of_kind(
    db: Connection, kind: str, site: str, since: int, until: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(point, body) of the rare records of a kind, dated back where the board had no clock."""
    r, k = schema.records.c, schema.clocks.c
    wanted = (r.site == site, r.kind == kind, _RARE)
    dated = select(r.point, r.raw).where(*wanted, r.time >= since, r.time < until)
    for point, raw in db.execute(dated):
        yield point, json.loads(raw)
    clocked = schema.records.join(
        schema.clocks, and_(k.site == r.site, k.point == r.point, k.epoch == r.epoch, k.boot == r.boot)
    )
    undated = select(r.point, r.raw, r.uptime_ms, k.uptime_ms, k.time).select_from(clocked)
    for point, raw, uptime_ms, *clock in db.execute(undated.where(*wanted, r.time.is_(None))):
        if uptime_ms is not None and since <= derive.back_dated(uptime_ms, (clock[0], clock[1])) < until:
            yield point, json.loads(raw)


def _alarms(db: Connection, found: Events, site: str, since: int, until: int) -> None:
    a = schema.alarms.c
    at = func.coalesce(a.time, a.noticed_at)
    query = select(a.point, a.alarm, a.missing).where(
        a.site == site, a.state == "raised", at >= since, at < until
    )
    for point, alarm, missing in db.execute(query):
        found.alarms[point, alarm] += 1
        if missing:
            found.lost_records[point] += missing


def _open(db: Connection, found: Events, site: str, until: int) -> None:
    s = schema.sessions.c
    sums = select(func.count(), func.coalesce(func.sum(s.energy_mwh), 0)).where(
        s.site == site, s.ended_at.is_(None)
    )
    is_open = sums.where(s.end_reason.is_(None), s.started_at < until)
    found.open_sessions, found.open_mwh = map(int, db.execute(is_open).one())
    undated = sums.where(s.end_reason.is_not(None))
    found.undated_sessions, found.undated_mwh = map(int, db.execute(undated).one())
