"""Sessions in the database: folds records into rows, dates them back, makes them anew.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from zhuque.store import derive
from zhuque.store.engine import Transaction
from zhuque.store.items import Record

Row = dict[str, Any]
Key = tuple[str, str, str]

_COLUMNS = ", ".join("s." + name for name in derive.COLUMNS)
_SAVE = "(site, point, session) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in derive.COLUMNS[3:]
)
_KINDS = ", ".join(f"'{kind}'" for kind in derive.SESSION_KINDS)
_RECORD = "site, point, epoch, seq, boot, uptime_ms, time, kind, socket, session, raw, received_at"
_CHUNK = 1000


def write_clocks(db: Transaction, found: list[Record]) -> None:
    """Keeps the first clock record of each boot, and dates back the sessions of that boot."""
    for record in found:
        db.run(
            "INSERT INTO clocks (site, point, epoch, boot, seq, uptime_ms, time) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (site, point, epoch, boot) DO UPDATE SET seq = excluded.seq,"
            " uptime_ms = excluded.uptime_ms, time = excluded.time WHERE clocks.seq > excluded.seq",
            (
                record.site,
                record.point,
                record.epoch,
                record.boot,
                record.seq,
                record.uptime_ms,
                record.time,
            ),
        )
        _date_again(db, record)


def _date_again(db: Transaction, clock: Record) -> None:
    rows: dict[Key, Row] = {}
    for which in ("start", "end"):
        query = (
            f"SELECT {_COLUMNS} FROM sessions s WHERE site = ? AND point = ? AND {which}_boot = ?"
            f" AND {which}_epoch = ? AND {which}_time IS NULL AND {which}_epoch IS NOT NULL"
        )
        for found in db.rows(query, (clock.site, clock.point, clock.boot, clock.epoch)):
            row = dict(zip(derive.COLUMNS, found, strict=True))
            rows[row["site"], row["point"], row["session"]] = row
    _save(db, rows.values())


def write_sessions(db: Transaction, sound: list[Record]) -> None:
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


def rebuild(db: Transaction) -> int:
    """Derive every session anew from the records; returns how many there are."""
    if db.postgres:  # a batch of a collector is wholly before or wholly after this
        db.run("LOCK TABLE records IN SHARE MODE")
    db.run("DELETE FROM sessions")
    count = 0
    rows = derived(db)
    while chunk := list(islice(rows, _CHUNK)):
        count += len(chunk)
        db.insert("sessions", [tuple(row.values()) for row in chunk], _SAVE)
    return count


def derived(db: Transaction) -> Iterator[Row]:
    """Every session as the records give it, a point at a time: memory holds one point's sessions."""
    for site, point in db.rows("SELECT DISTINCT site, point FROM epochs ORDER BY site, point"):
        rows: dict[Key, Row] = {}
        for found in db.stream(
            f"SELECT {_RECORD} FROM records WHERE site = ? AND point = ? AND kind IN ({_KINDS})"
            " AND session IS NOT NULL ORDER BY epoch, seq",
            (site, point),
        ):
            record = _from_row(found)
            key = (site, point, record.session or "")
            if key not in rows:
                rows[key] = derive.empty(*key)
            derive.merge(rows[key], record)
        for row in rows.values():
            derive.date(row, _clock_of(db, row))
            yield row


def _save(db: Transaction, rows: Iterable[Row]) -> None:
    out = []
    for row in rows:
        derive.date(row, _clock_of(db, row))
        out.append(tuple(row.values()))
    db.insert("sessions", out, _SAVE)


def _session_rows(db: Transaction, keys: list[Key]) -> dict[Key, Row]:
    if db.postgres:
        query = (
            f"SELECT {_COLUMNS} FROM unnest(?::text[], ?::text[], ?::text[]) AS w (site, point, session)"
            " JOIN sessions s ON s.site = w.site AND s.point = w.point AND s.session = w.session"
        )
        found = db.rows(query, [list(column) for column in zip(*keys, strict=True)])
    else:
        query = f"SELECT {_COLUMNS} FROM sessions s WHERE site = ? AND point = ? AND session = ?"
        found = [row for key in keys for row in db.run(query, key)]
    return {(row[0], row[1], row[2]): dict(zip(derive.COLUMNS, row, strict=True)) for row in found}


def _clock_of(db: Transaction, row: Row) -> Callable[[str, int], tuple[int, int] | None]:
    def clock(epoch: str, boot: int) -> tuple[int, int] | None:
        found: tuple[int, int] | None = db.run(
            "SELECT uptime_ms, time FROM clocks WHERE site = ? AND point = ? AND epoch = ? AND boot = ?",
            (row["site"], row["point"], epoch, boot),
        ).fetchone()
        return found

    return clock


def _from_row(row: tuple[Any, ...]) -> Record:
    site, point, epoch, seq, boot, uptime_ms, time, kind, socket, session, raw, received_at = row
    body = json.loads(raw)
    return Record(
        site, point, epoch, seq, boot, uptime_ms, time, kind, socket, session, body, raw, received_at, ""
    )
