"""Sessions in the database: folds records into rows, dates them back, makes them anew.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import and_, bindparam, delete, select
from sqlalchemy.engine import Connection

from zhuque.store import derive, schema
from zhuque.store.bulk import Insert, Lookup, newer
from zhuque.store.items import Record

Row = dict[str, Any]
Key = tuple[str, str, str]

_SAVE = Insert(schema.sessions, derive.COLUMNS, newer(*derive.COLUMNS[3:]))
_FIND = Lookup(schema.sessions, derive.COLUMNS[:3], derive.COLUMNS)
_SAVE_CLOCK = Insert(
    schema.clocks,
    update=newer("seq", "uptime_ms", "time"),
    where=lambda excluded: schema.clocks.c.seq > excluded.seq,
)
_CLOCK = select(schema.clocks.c.uptime_ms, schema.clocks.c.time).where(
    *(schema.clocks.c[name] == bindparam(name) for name in ("site", "point", "epoch", "boot"))
)
_CHUNK = 1000


def write_clocks(db: Connection, found: list[Record]) -> None:
    """Keeps the first clock record of each boot, and dates back the sessions of that boot."""
    for r in found:
        _SAVE_CLOCK.run(db, [(r.site, r.point, r.epoch, r.boot, r.seq, r.uptime_ms, r.time)])
        _date_again(db, r)


def _date_again(db: Connection, clock: Record) -> None:
    rows: dict[Key, Row] = {}
    c = schema.sessions.c
    for which in ("start", "end"):
        query = select(schema.sessions).where(
            and_(c.site == clock.site, c.point == clock.point, c[which + "_boot"] == clock.boot),
            and_(c[which + "_epoch"] == clock.epoch, c[which + "_epoch"].is_not(None)),
            c[which + "_time"].is_(None),
        )
        for found in db.execute(query):
            row = dict(zip(derive.COLUMNS, found, strict=True))
            rows[row["site"], row["point"], row["session"]] = row
    _save(db, rows.values())


def write_sessions(db: Connection, sound: list[Record]) -> None:
    """Fold the records of sessions into their rows: one look and one write a session, however many records."""
    changed = [r for r in sound if r.session is not None and r.kind in derive.SESSION_KINDS]
    if not changed:
        return
    keys = [(record.site, record.point, record.session or "") for record in changed]
    rows = _session_rows(db, list(dict.fromkeys(keys)))
    for key, record in zip(keys, changed, strict=True):
        row = rows.get(key)
        if row is None:
            row = rows[key] = derive.empty(*key)
        derive.merge(row, record)
    _save(db, rows.values())


def rebuild(db: Connection) -> int:
    """Derive every session anew from the records; returns how many there are."""
    if db.dialect.name == "postgresql":  # a batch of a collector is wholly before or wholly after this
        db.exec_driver_sql("LOCK TABLE records IN SHARE MODE")
    db.execute(delete(schema.sessions))
    count = 0
    rows = derived(db)
    while chunk := list(islice(rows, _CHUNK)):
        count += len(chunk)
        _SAVE.run(db, [tuple(row.values()) for row in chunk])
    return count


def derived(db: Connection) -> Iterator[Row]:
    """Every session as the records give it, a point at a time: memory holds one point's sessions."""
    journals, records = schema.epochs.c, schema.records.c
    points = select(journals.site, journals.point).distinct().order_by(journals.site, journals.point)
    for site, point in db.execute(points).all():
        rows: dict[Key, Row] = {}
        query = (
            select(schema.records)
            .where(records.site == site, records.point == point, records.session.is_not(None))
            .where(records.kind.in_(derive.SESSION_KINDS))
            .order_by(records.epoch, records.seq)
        )
        for found in db.execute(query, execution_options={"yield_per": _CHUNK}):
            record = _from_row(found)
            key = (site, point, record.session or "")
            if key not in rows:
                rows[key] = derive.empty(*key)
            derive.merge(rows[key], record)
        for row in rows.values():
            derive.date(row, _clock_of(db, row))
            yield row


def _save(db: Connection, rows: Iterable[Row]) -> None:
    out = []
    for row in rows:
        derive.date(row, _clock_of(db, row))
        out.append(tuple(row.values()))
    _SAVE.run(db, out)


def _session_rows(db: Connection, keys: list[Key]) -> dict[Key, Row]:
    return {
        (row[0], row[1], row[2]): dict(zip(derive.COLUMNS, row, strict=True)) for row in _FIND.run(db, keys)
    }


def _clock_of(db: Connection, row: Row) -> Callable[[str, int], tuple[int, int] | None]:
    def clock(epoch: str, boot: int) -> tuple[int, int] | None:
        place = {"site": row["site"], "point": row["point"], "epoch": epoch, "boot": boot}
        found = db.execute(_CLOCK, place).first()
        return None if found is None else (found[0], found[1])

    return clock


def _from_row(row: Sequence[Any]) -> Record:
    site, point, epoch, seq, boot, uptime_ms, time, kind, socket, session, raw, received_at = row
    body = json.loads(raw)
    return Record(
        site, point, epoch, seq, boot, uptime_ms, time, kind, socket, session, body, raw, received_at, ""
    )
