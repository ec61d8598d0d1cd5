"""Telemetry: kept as it came, after a while as the last row of each minute, later as the last row of each hour.

The last row of a step keeps what matters later: energies are counters, and sessions carry their own peaks. It is not
billing data. Thinning remembers how far it came, so it looks at each row once a step, and deletes in short
transactions, a point and a day at a time: the collector does it between batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.engine import Connection, Engine

from zhuque.store import schema
from zhuque.store.bulk import Insert, newer
from zhuque.store.items import Telemetry

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400

_INSERT = Insert(schema.telemetry, update=newer("body"))
_THINNED = Insert(schema.thinned, update=newer("until"))


@dataclass(frozen=True)
class Ages:
    """Seconds after which only the last row of a minute, and of an hour, stays; after `drop_s` none (None: never)."""

    minutes_s: int = 6 * HOUR_S
    hours_s: int = 7 * DAY_S
    drop_s: int | None = None


def write(db: Connection, items: list[Telemetry]) -> None:
    """A row for each message, by the second in which it came; the newest of a second wins."""
    rows = {(t.site, t.point, t.received_at): t for t in items}
    _INSERT.run(db, [(*key, json.dumps(t.body, separators=(",", ":"))) for key, t in rows.items()])


def thin(engine: Engine, now: int, ages: Ages, sites: tuple[str, ...] = ()) -> Iterator[int]:
    """Thins the telemetry of these sites (none: of all), a transaction a step; gives how many rows went in each.

    Raises what SQLAlchemy raises.
    """
    c = schema.points.c
    query = select(c.site, c.point).order_by(c.site, c.point)
    with engine.begin() as db:
        points = db.execute(query.where(c.site.in_(sites)) if sites else query).all()
    for site, point in points:
        for step_s, age_s in ((MINUTE_S, ages.minutes_s), (HOUR_S, ages.hours_s)):
            yield from _thin_point(engine, site, point, step_s, now - age_s)
        if ages.drop_s is not None:
            old = _of(site, point), schema.telemetry.c.at < now - ages.drop_s
            with engine.begin() as db:
                gone = db.execute(delete(schema.telemetry).where(*old)).rowcount
            yield gone


def _thin_point(engine: Engine, site: str, point: str, step_s: int, until: int) -> Iterator[int]:
    until -= until % step_s
    begin = _begin(engine, site, point, step_s)
    yield 0
    while begin is not None and begin < until:
        end = min(until, begin - begin % DAY_S + DAY_S)
        with engine.begin() as db:
            gone = _keep_last(db, site, point, step_s, begin, end)
            _THINNED.run(db, [(site, point, step_s, end)])
        yield gone
        begin = _begin(engine, site, point, step_s)


def _begin(engine: Engine, site: str, point: str, step_s: int) -> int | None:
    """The oldest row that was not looked at yet for this step; None where there is none."""
    c = schema.thinned.c
    at = schema.telemetry.c.at
    done = select(c.until).where(c.site == site, c.point == point, c.step_s == step_s)
    with engine.begin() as db:
        until = db.scalar(done) or 0
        oldest: int | None = db.scalar(select(func.min(at)).where(_of(site, point), at >= until))
    return None if oldest is None else oldest - oldest % step_s


def _keep_last(db: Connection, site: str, point: str, step_s: int, begin: int, end: int) -> int:
    at = schema.telemetry.c.at
    these = (_of(site, point), at >= begin, at < end)
    other = schema.telemetry.alias("other")
    last = (
        select(func.max(other.c.at))
        .where(other.c.site == site, other.c.point == point, other.c.at >= begin, other.c.at < end)
        .group_by(other.c.at // step_s)
    )
    return db.execute(delete(schema.telemetry).where(*these, at.not_in(last))).rowcount


def _of(site: str, point: str) -> ColumnElement[bool]:
    return and_(schema.telemetry.c.site == site, schema.telemetry.c.point == point)
