"""What points say of themselves: the newest status and telemetry, and when something was last heard.

A message that the broker had kept says nothing about now: it sets the status, but not `seen_at`, which takes the
time that the board wrote into it. The last will carries no figures, so the ones before it stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from zhuque.store.items import Record, Refused, Status, Telemetry
from zhuque.store.schema import points as TABLE
from zhuque.store.schema import telemetry

Insert = Callable[..., Any]
_KEY = ["site", "point"]


def write_statuses(connection: Connection, insert: Insert, statuses: list[Status]) -> None:
    """The newest of each point wins."""
    for status in {(s.site, s.point): s for s in statuses}.values():
        values: dict[str, Any] = {"online": status.online, "problem": None}
        if status.online:  # else the broker speaks, not the point
            if status.live:
                values["seen_at"] = status.received_at
            values.update(
                status=json.dumps(status.body), status_at=status.received_at, epoch=status.body.get("epoch")
            )
            if not status.live and status.body.get("time") is not None:
                values["seen_at"] = status.body["time"]
        _upsert(connection, insert, status.site, status.point, values)


def write_refused(connection: Connection, insert: Insert, refused: list[Refused]) -> None:
    """Points of another wire version are listed with what to do about it."""
    for item in {(r.site, r.point): r for r in refused}.values():
        _upsert(connection, insert, item.site, item.point, {"problem": item.problem})


def write_telemetry(connection: Connection, insert: Insert, items: list[Telemetry]) -> None:
    """The newest of each point, and of each minute."""
    for item in {(t.site, t.point): t for t in items}.values():
        values = {
            "telemetry": json.dumps(item.body),
            "telemetry_at": item.received_at,
            "seen_at": item.received_at,
        }
        _upsert(connection, insert, item.site, item.point, values)
    minutes = {(t.site, t.point, t.received_at // 60): t for t in items}
    if minutes:
        statement = insert(telemetry)
        statement = statement.on_conflict_do_update(
            index_elements=[*_KEY, "minute"], set_={"body": statement.excluded.body}
        )
        rows = [
            {"site": s, "point": p, "minute": m, "body": json.dumps(t.body)}
            for (s, p, m), t in minutes.items()
        ]
        connection.execute(statement, rows)


def write_seen(connection: Connection, insert: Insert, records: list[Record]) -> None:
    """A record is a sign of life, and of a point whose status was never seen."""
    for record in {(r.site, r.point): r for r in records}.values():
        _upsert(
            connection,
            insert,
            record.site,
            record.point,
            {"seen_at": record.received_at, "epoch": record.epoch},
        )


def drop_telemetry(connection: Connection, before: int) -> None:
    """Forget the telemetry received before this time, Unix seconds."""
    connection.execute(telemetry.delete().where(telemetry.c.minute < before // 60))


def _upsert(connection: Connection, insert: Insert, site: str, point: str, values: dict[str, Any]) -> None:
    statement = insert(TABLE).values(site=site, point=point, **values)
    update = dict(values)
    if "seen_at" in values:  # it never goes back
        new = statement.excluded.seen_at
        update["seen_at"] = sa.case((TABLE.c.seen_at > new, TABLE.c.seen_at), else_=new)
    connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=update))
