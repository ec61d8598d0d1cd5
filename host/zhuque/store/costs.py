"""What sessions cost, and what a cost is made from: closed sessions with all that the meter had counted on the way.

A cost is a row of its own: rebuilding sessions leaves it, and a session that changes later is found by comparing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.engine import Connection, Engine, Row

from zhuque.store import derive, schema
from zhuque.store.bulk import Insert, newer

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class StoredCost:
    """A row of `costs`: whole fen, and the tariff that made them (`digest` names its content)."""

    site: str
    point: str
    session: str
    tariff: str
    digest: str
    energy_mwh: int
    electricity_fen: int
    service_fen: int
    priced_at: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A session that ended. `moments` are (Unix time, mWh so far) of its checkpoints, in journal order; times are None
    where the point had no clock."""

    site: str
    point: str
    session: str
    socket: int | None
    account: str | None
    started_at: int | None
    ended_at: int | None
    duration_s: int
    energy_mwh: int
    peak_mw: int
    end_reason: str
    moments: tuple[tuple[int, int], ...]
    cost: StoredCost | None


_COLUMNS = (
    *("site", "point", "session", "socket", "account", "started_at", "ended_at", "duration_s", "energy_mwh"),
    *("peak_mw", "end_reason", "start_epoch", "end_epoch", "end_seq"),
)
_SAVE = Insert(
    schema.costs,
    update=newer("tariff", "digest", "energy_mwh", "electricity_fen", "service_fen", "priced_at"),
)


def write_costs(db: Connection, costs: Iterable[StoredCost]) -> None:
    """Store these costs, in place of those that were there."""
    rows = [astuple(cost) for cost in costs]
    if rows:
        _SAVE.run(db, rows)


def closed_sessions(
    engine: Engine, site: str, since: int | None = None, until: int | None = None, session: str | None = None
) -> Iterator[Closed]:
    """The site's sessions that ended in [since, until), point by point, oldest end first, in one view of the database.

    Those whose end is not known come where neither bound is given.
    """
    c, k = schema.sessions.c, schema.costs.c
    joined = schema.sessions.outerjoin(
        schema.costs, and_(k.site == c.site, k.point == c.point, k.session == c.session)
    )
    query = (
        select(*(c[name] for name in _COLUMNS), *(column.label("cost_" + column.name) for column in k))
        .select_from(joined)
        .where(c.site == site, c.end_reason.is_not(None))
        .order_by(c.point, c.ended_at.nulls_first(), c.session)
    )
    if since is not None:
        query = query.where(c.ended_at >= since)
    if until is not None:
        query = query.where(c.ended_at < until)
    if session is not None:
        query = query.where(c.session == session)
    with engine.begin() as db:
        rows = db.execute(query, execution_options={"yield_per": _CHUNK}).partitions(_CHUNK)
        for part in rows:
            for _, of_point in groupby(part, key=lambda row: row.point):
                yield from _with_moments(db, site, list(of_point))


def _with_moments(db: Connection, site: str, rows: list[Row[Any]]) -> Iterator[Closed]:
    moments = _moments(db, site, rows)
    for row in rows:
        known = row._mapping
        cost = [known["cost_" + column.name] for column in schema.costs.c]
        yield Closed(
            row.site,
            row.point,
            row.session,
            row.socket,
            row.account,
            row.started_at,
            row.ended_at,
            row.duration_s or 0,
            row.energy_mwh or 0,
            row.peak_mw or 0,
            row.end_reason,
            tuple(moments[row.session]),
            None if cost[0] is None else StoredCost(*cost),
        )


def _moments(db: Connection, site: str, rows: list[Row[Any]]) -> dict[str, list[tuple[int, int]]]:
    """The checkpoints of these sessions of one point, dated. A session's own lie between its first and last record."""
    point = rows[0].point
    spans: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        own, seq = row.session[:16], row.session[17:]
        if row.start_epoch is not None and seq.isdecimal():
            spans[own].append(int(seq))
        if row.end_epoch is not None:
            spans[row.end_epoch].append(row.end_seq)
            if row.end_epoch != own:
                spans[row.end_epoch].append(0)  # begun in an earlier journal
                spans[own].append(2**62)
    r, k = schema.records.c, schema.clocks.c
    wanted = or_(*(and_(r.epoch == e, r.seq.between(min(s), max(s))) for e, s in spans.items()))
    query = (
        select(r.epoch, r.seq, r.boot, r.uptime_ms, r.time, r.session, r.raw, k.uptime_ms, k.time)
        .select_from(
            schema.records.outerjoin(
                schema.clocks,
                and_(k.site == r.site, k.point == r.point, k.epoch == r.epoch, k.boot == r.boot),
            )
        )
        .where(r.site == site, r.point == point, r.kind == "session_checkpoint", wanted)
        .order_by(r.epoch, r.seq)
    )
    out: dict[str, list[tuple[int, int]]] = {row.session: [] for row in rows}
    later: dict[str, list[tuple[int, int]]] = {row.session: [] for row in rows}
    for epoch, _, _, uptime_ms, time, session, raw, clock_ms, clock in db.execute(query):
        if session not in out:
            continue
        if time is None and clock is not None and uptime_ms is not None:
            time = derive.back_dated(uptime_ms, (clock_ms, clock))
        counted = json.loads(raw).get("energy_mwh")
        if time is not None and type(counted) is int:
            (out if epoch == session[:16] else later)[session].append((time, counted))
    for session, more in later.items():
        out[session] += more
    return out
