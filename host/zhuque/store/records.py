"""Records, the alarms among them, and dead letters: rows as they came.

A record that is stored already is nothing; one that contradicts what is stored is kept beside it as a dead letter.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy.engine import Connection

from zhuque.store import schema
from zhuque.store.bulk import Insert, Lookup
from zhuque.store.items import DeadLetter, Item, Record

# A record has at most 4 KiB; of something larger the beginning tells what it is.
_PAYLOAD_KEPT = 8192
_PLACE = ("site", "point", "epoch", "seq")

_RECORDS = Insert(schema.records)
_LETTERS = Insert(schema.dead_letters)
_ALARMS = Insert(schema.alarms, (*_PLACE, "alarm", "state", "socket", "time", "noticed_at", "detail"))
_HELD = Lookup(schema.records, _PLACE, (*_PLACE, "raw"))


def insert_records(db: Connection, new: list[Record]) -> tuple[list[Record], list[DeadLetter]]:
    """Stores what is not there yet. Returns what agrees with the database, and what contradicts it."""
    if not new:
        return [], []
    rows = [
        (
            r.site,
            r.point,
            r.epoch,
            r.seq,
            r.boot,
            r.uptime_ms,
            r.time,
            r.kind,
            r.socket,
            r.session,
            r.raw,
            r.received_at,
        )
        for r in new
    ]
    if _RECORDS.run(db, rows) == len(rows):
        return new, []
    held = raw_of(db, new)
    sound, contradictions = [], []
    for record in new:
        if agree(held[record.site, record.point, record.epoch, record.seq], record):
            sound.append(record)
        else:
            contradictions.append(_contradiction(record))
    return sound, contradictions


def agree(raw: str, record: Record) -> bool:
    """True when what is stored says the same as the record: an absent key and a null are the same."""
    return raw == record.raw or _content(json.loads(raw)) == _content(record.body)


def raw_of(db: Connection, wanted: list[Record]) -> dict[tuple[str, str, str, int], str]:
    """What is stored in the places of these records."""
    places = [(record.site, record.point, record.epoch, record.seq) for record in wanted]
    return {(site, point, epoch, seq): raw for site, point, epoch, seq, raw in _HELD.run(db, places)}


def insert_letters(db: Connection, letters: list[DeadLetter]) -> None:
    """Keeps what could not be taken, each once."""
    rows = [
        (
            hashlib.sha256(item.topic.encode() + b"\0" + item.payload).hexdigest(),
            item.received_at,
            item.topic,
            item.payload[:_PAYLOAD_KEPT],
            len(item.payload),
            item.reason,
            item.detail.encode(errors="backslashreplace").decode().replace("\0", "\\0"),
            item.site,
            item.point,
            item.epoch,
            item.seq,
        )
        for item in letters
    ]
    _LETTERS.run(db, rows)


def insert_alarms(db: Connection, sound: list[Record]) -> None:
    """Lists what boards raised and cleared."""
    rows = [
        (
            *(r.site, r.point, r.epoch, r.seq, r.body["alarm"], r.body["state"], r.socket, r.time),
            *(r.received_at, r.body.get("detail")),
        )
        for r in sound
        if r.kind == "alarm"
    ]
    _ALARMS.run(db, rows)


def unstorable(item: Item, error: Exception) -> DeadLetter:
    """What the checks let through and the database does not take. Raises `error` where it was one already."""
    if isinstance(item, DeadLetter) and item.reason == "unstorable":
        raise error
    detail = " ".join(str(error).split())[:500]
    now = getattr(item, "received_at", 0)
    if isinstance(item, Record):
        place = (item.site, item.point, item.epoch, item.seq)
        return DeadLetter(item.topic, item.raw.encode(), "unstorable", detail, now, *place)
    return DeadLetter(type(item).__name__, repr(item).encode(errors="replace"), "unstorable", detail, now)


def _content(body: dict[str, Any]) -> dict[str, Any]:
    """A record without its nulls."""
    return {name: value for name, value in body.items() if value is not None}


def _contradiction(record: Record) -> DeadLetter:
    return DeadLetter(
        record.topic,
        record.raw.encode(),
        "contradiction",
        f"record {record.seq} of epoch {record.epoch} is stored with other content",
        record.received_at,
        record.site,
        record.point,
        record.epoch,
        record.seq,
    )
