"""What points say of themselves: the newest status and telemetry, and when something was last heard.

A message that the broker had kept says nothing about now: it sets the status, but not `seen_at`, which takes the
time that the board wrote into it. The last will carries no figures, so the ones before it stay. Rows are written in
the order of their names, so that two collectors before one PostgreSQL never wait for each other in a circle.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import case
from sqlalchemy.engine import Connection

from zhuque.store import schema
from zhuque.store.bulk import Insert
from zhuque.store.items import Record, Refused, Status, Telemetry

Names = tuple[str, ...]


def write_statuses(db: Connection, statuses: list[Status]) -> None:
    """The newest of each point wins."""
    for key, status in sorted({(s.site, s.point): s for s in statuses}.items()):
        values: dict[str, Any] = {"online": status.online, "problem": None}
        if status.online:  # else the broker speaks, not the point
            if status.live:
                values["seen_at"] = status.received_at
            values.update(
                status=json.dumps(status.body), status_at=status.received_at, epoch=status.body.get("epoch")
            )
            if not status.live and status.body.get("time") is not None:
                values["seen_at"] = status.body["time"]
        names = tuple(column.name for column in schema.points.columns if column.name in values)
        _upsert(db, names, [(*key, *(values[name] for name in names))])


def write_refused(db: Connection, refused: list[Refused]) -> None:
    """Points of another wire version are listed with what to do about it."""
    newest = {(r.site, r.point): r for r in refused}
    _upsert(db, ("problem",), [(*key, item.problem) for key, item in sorted(newest.items())])


def write_telemetry(db: Connection, items: list[Telemetry]) -> None:
    """The newest of each point."""
    newest = {(t.site, t.point): t for t in items}
    rows = [
        (*key, json.dumps(item.body), item.received_at, item.received_at)
        for key, item in sorted(newest.items())
    ]
    _upsert(db, ("telemetry", "telemetry_at", "seen_at"), rows)


def write_seen(db: Connection, records: list[Record]) -> None:
    """A record is a sign of life, and of a point whose status was never seen."""
    newest = {(r.site, r.point): r for r in records}
    rows = [(*key, record.epoch, record.received_at) for key, record in sorted(newest.items())]
    _upsert(db, ("epoch", "seen_at"), rows)


def _upsert(db: Connection, names: Names, rows: list[tuple[Any, ...]]) -> None:
    _insert(names).run(db, rows)


@lru_cache(16)
def _insert(names: Names) -> Insert:
    def update(excluded: Any) -> dict[str, Any]:
        seen_at = schema.points.c.seen_at
        later = case((seen_at > excluded.seen_at, seen_at), else_=excluded.seen_at)  # it never goes back
        return {name: later if name == "seen_at" else excluded[name] for name in names}

    return Insert(schema.points, ("site", "point", *names), update)
