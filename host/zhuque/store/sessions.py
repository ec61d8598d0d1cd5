"""Sessions in the database: folds records into rows, dates them back, makes them anew.

`insert` is the dialect's insert with ON CONFLICT; every function works inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from zhuque.store import derive
from zhuque.store.items import Record
from zhuque.store.schema import clocks, records, sessions

Insert = Callable[..., Any]
Row = dict[str, Any]


def write_clocks(connection: Connection, insert: Insert, found: list[Record]) -> None:
    """Keeps the first clock record of each boot, and dates back the sessions of that boot."""
    for record in found:
        statement = insert(clocks).values(
            site=record.site,
            point=record.point,
            epoch=record.epoch,
            boot=record.boot,
            seq=record.seq,
            uptime_ms=record.uptime_ms,
            time=record.time,
        )
        columns = {name: statement.excluded[name] for name in ("seq", "uptime_ms", "time")}
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["site", "point", "epoch", "boot"],
                set_=columns,
                where=clocks.c.seq > statement.excluded.seq,
            )
        )
        _date_again(connection, insert, record)


def _date_again(connection: Connection, insert: Insert, clock: Record) -> None:
    rows: dict[tuple[str, str, str], Row] = {}
    for which in ("start", "end"):
        query = sa.select(sessions).where(
            sessions.c.site == clock.site,
            sessions.c.point == clock.point,
            sessions.c[which + "_boot"] == clock.boot,
            sessions.c[which + "_epoch"] == clock.epoch,
            sessions.c[which + "_time"].is_(None),
            sessions.c[which + "_epoch"].is_not(None),
        )
        for row in connection.execute(query).mappings():
            rows[row["site"], row["point"], row["session"]] = dict(row)
    _save(connection, insert, rows.values())


def write_sessions(connection: Connection, insert: Insert, sound: list[Record]) -> None:
    """Fold the records of sessions into their rows."""
    changed = [r for r in sound if r.session is not None and r.kind in derive.SESSION_KINDS]
    if not changed:
        return
    rows = _session_rows(connection, changed)
    for record in changed:
        key = (record.site, record.point, record.session or "")
        row = rows.get(key)
        if row is None:
            row = rows[key] = derive.empty(*key)
        derive.merge(row, record)
    _save(connection, insert, rows.values())


def _save(connection: Connection, insert: Insert, rows: Iterable[Row]) -> None:
    rows = list(rows)
    if not rows:
        return
    for row in rows:

        def clock(epoch: str, boot: int, row: Row = row) -> tuple[int, int] | None:
            return _clock(connection, row["site"], row["point"], epoch, boot)

        derive.date(row, clock)
    statement = insert(sessions)
    update = {name: statement.excluded[name] for name in derive.COLUMNS[3:]}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["site", "point", "session"], set_=update), rows
    )


def rebuild(connection: Connection, insert: Insert) -> int:
    """Derive every session anew from the records; returns how many there are."""
    connection.execute(sessions.delete())
    query = sa.select(records).where(records.c.kind.in_(derive.SESSION_KINDS))
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    for chunk in rows.partitions():
        write_sessions(connection, insert, [_from_row(row) for row in chunk])
    return int(connection.execute(sa.select(sa.func.count()).select_from(sessions)).scalar_one())


def _session_rows(connection: Connection, wanted: list[Record]) -> dict[tuple[str, str, str], Row]:
    ids: dict[tuple[str, str], set[str]] = {}
    for record in wanted:
        ids.setdefault((record.site, record.point), set()).add(record.session or "")
    out = {}
    for (site, point), names in ids.items():
        query = sa.select(sessions).where(
            sessions.c.site == site, sessions.c.point == point, sessions.c.session.in_(names)
        )
        for row in connection.execute(query).mappings():
            out[site, point, row["session"]] = dict(row)
    return out


def _clock(connection: Connection, site: str, point: str, epoch: str, boot: int) -> tuple[int, int] | None:
    query = sa.select(clocks.c.uptime_ms, clocks.c.time).where(
        clocks.c.site == site,
        clocks.c.point == point,
        clocks.c.epoch == epoch,
        clocks.c.boot == boot,
    )
    row = connection.execute(query).first()
    return None if row is None else (row.uptime_ms, row.time)


def _from_row(row: Any) -> Record:
    return Record(
        row.site,
        row.point,
        row.epoch,
        row.seq,
        row.boot,
        row.uptime_ms,
        row.time,
        row.kind,
        row.socket,
        row.session,
        json.loads(row.raw),
        row.raw,
        row.received_at,
        "",
    )
