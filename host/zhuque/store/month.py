"""What a report of some weeks asks beside the sessions: trips, resets, alarms, losses, how long points were heard."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.engine import Connection, Engine

from zhuque.store import schema

HOUR_S = 3600


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
    r = schema.records.c
    query = select(r.point, r.kind, r.raw).where(
        r.site == site,
        r.kind.in_(("trip", "reset", "session_checkpoint")),
        r.time >= since,
        r.time < until,
        schema.RARE,  # word for word as the index has it, or no database uses that
    )
    for point, kind, raw in db.execute(query):
        body = json.loads(raw)
        if kind == "session_checkpoint":
            found.stray_mwh[point] += body.get("energy_mwh") or 0
        else:
            counter = found.trips if kind == "trip" else found.resets
            counter[point, str(body.get("cause"))] += 1


def _alarms(db: Connection, found: Events, site: str, since: int, until: int) -> None:
    a = schema.alarms.c
    query = select(a.point, a.alarm, a.missing).where(
        a.site == site, a.state == "raised", a.noticed_at >= since, a.noticed_at < until
    )
    for point, alarm, missing in db.execute(query):
        found.alarms[point, alarm] += 1
        if missing:
            found.lost_records[point] += missing


def _open(db: Connection, found: Events, site: str, until: int) -> None:
    s = schema.sessions.c
    query = select(func.count(), func.coalesce(func.sum(s.energy_mwh), 0)).where(
        s.site == site, s.end_reason.is_(None), s.started_at < until
    )
    found.open_sessions, found.open_mwh = map(int, db.execute(query).one())
