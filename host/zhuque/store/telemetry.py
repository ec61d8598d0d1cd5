"""Telemetry: kept as it came, after a while as the last row of each minute, later as the last row of each hour.

The last row of a step keeps what matters later: energies are counters, and sessions carry their own peaks. It is not
billing data. Thinning remembers how far it came, so it looks at each row once a step, and deletes in short
transactions, a point and a day at a time: the collector does it between batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from zhuque.store.engine import Database, Transaction
from zhuque.store.items import Telemetry

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


@dataclass(frozen=True)
class Ages:
    """Seconds after which only the last row of a minute, and of an hour, stays; after `drop_s` none (None: never)."""

    minutes_s: int = 6 * HOUR_S
    hours_s: int = 7 * DAY_S
    drop_s: int | None = None


def write(db: Transaction, items: list[Telemetry]) -> None:
    """A row for each message, by the second in which it came; the newest of a second wins."""
    rows = {(t.site, t.point, t.received_at): t for t in items}
    db.insert(
        "telemetry",
        [(*key, json.dumps(t.body, separators=(",", ":"))) for key, t in rows.items()],
        "(site, point, at) DO UPDATE SET body = excluded.body",
    )


def thin(database: Database, now: int, ages: Ages, sites: tuple[str, ...] = ()) -> Iterator[int]:
    """Thins the telemetry of these sites (none: of all), a transaction a step; gives how many rows went in each.

    Raises what the driver raises.
    """
    where = f" WHERE site IN ({','.join('?' * len(sites))})" if sites else ""
    with database.transaction() as db:
        points = db.rows(f"SELECT site, point FROM points{where} ORDER BY site, point", sites)
    for site, point in points:
        for step_s, age_s in ((MINUTE_S, ages.minutes_s), (HOUR_S, ages.hours_s)):
            yield from _thin_point(database, site, point, step_s, now - age_s)
        if ages.drop_s is not None:
            with database.transaction() as db:
                sql = "DELETE FROM telemetry WHERE site = ? AND point = ? AND at < ?"
                gone = db.run(sql, (site, point, now - ages.drop_s)).rowcount
            yield gone


def _thin_point(database: Database, site: str, point: str, step_s: int, until: int) -> Iterator[int]:
    until -= until % step_s
    begin = _begin(database, site, point, step_s)
    yield 0
    while begin is not None and begin < until:
        end = min(until, begin - begin % DAY_S + DAY_S)
        with database.transaction() as db:
            gone = _keep_last(db, site, point, step_s, begin, end)
            db.run(
                "INSERT INTO thinned (site, point, step_s, until) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (site, point, step_s) DO UPDATE SET until = excluded.until",
                (site, point, step_s, end),
            )
        yield gone
        begin = _begin(database, site, point, step_s)


def _begin(database: Database, site: str, point: str, step_s: int) -> int | None:
    """The oldest row that was not looked at yet for this step; None where there is none."""
    with database.transaction() as db:
        until = db.value(
            "SELECT until FROM thinned WHERE site = ? AND point = ? AND step_s = ?", (site, point, step_s)
        )
        sql = "SELECT min(at) FROM telemetry WHERE site = ? AND point = ? AND at >= ?"
        oldest: int | None = db.value(sql, (site, point, until or 0))
    return None if oldest is None else oldest - oldest % step_s


def _keep_last(db: Transaction, site: str, point: str, step_s: int, begin: int, end: int) -> int:
    last = (
        "SELECT max(at) FROM telemetry WHERE site = ? AND point = ? AND at >= ? AND at < ?"
        f" GROUP BY at / {step_s}"
    )
    where = (site, point, begin, end)
    sql = f"DELETE FROM telemetry WHERE site = ? AND point = ? AND at >= ? AND at < ? AND at NOT IN ({last})"
    return int(db.run(sql, (*where, *where)).rowcount)
