"""Writes a batch in one transaction: records, what is derived from them, and how far each journal is stored.

Rules: what `write` returned from is durable. Everything here may be repeated: a record that is stored already is
nothing, one that contradicts what is stored is kept beside it as a dead letter and never overwrites. `Progress` is
kept in memory and changes only when the transaction is through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from zhuque.store import points
from zhuque.store import sessions as session_rows
from zhuque.store.engine import open_writer, translate
from zhuque.store.items import DeadLetter, Item, Record, Refused, Status, Telemetry
from zhuque.store.progress import Progress
from zhuque.store.schema import alarms, dead_letters, epochs, records
from zhuque.store.schema import points as point_table

# (site, point, epoch)
Journal = tuple[str, str, str]
Row = dict[str, Any]

# A record has at most 4 KiB; of something larger the beginning tells what it is.
_PAYLOAD_KEPT = 8192
_TELEMETRY_KEPT_S = 7 * 86400


class Store:
    """The database of one collector. `where` is a path or a URL. Raises StoreError."""

    def __init__(self, where: str | Path) -> None:
        self.where = where
        self.engine: Engine = open_writer(where)
        self._insert = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
        self._progress: dict[Journal, Progress] = {}

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def write(self, items: Sequence[Item]) -> None:
        """Store a batch durably. Raises StoreBusyError when nothing was stored and it may be tried again.

        An item that the database refuses becomes a dead letter, and the others are stored.
        """
        with translate(self.where):
            try:
                self._write(items)
            except OperationalError:
                self.engine.dispose()  # what it had open may be what is wrong
                raise
            except (SQLAlchemyError, ValueError, OverflowError) as error:
                if len(items) > 1:
                    self._write_one_by_one(items)
                else:
                    self._write([_unstorable(items[0], error)])

    def stored(self, journal: Journal) -> int:
        """The last seq up to which a journal is stored, 0 for none; known after a batch that touched it."""
        progress = self._progress.get(journal)
        return progress.stored if progress else 0

    def journals(self) -> dict[tuple[str, str], tuple[str, int]]:
        """(epoch, stored) of the present journal of each point, for those that have one."""
        present = sa.and_(
            epochs.c.site == point_table.c.site,
            epochs.c.point == point_table.c.point,
            epochs.c.epoch == point_table.c.epoch,
        )
        query = sa.select(epochs.c.site, epochs.c.point, epochs.c.epoch, epochs.c.stored_seq).join(
            point_table, present
        )
        with translate(self.where), self.engine.connect() as connection:
            return {(row.site, row.point): (row.epoch, row.stored_seq) for row in connection.execute(query)}

    def rebuild_sessions(self) -> int:
        """Derive every session anew from the records, in one transaction; returns how many there are."""
        with translate(self.where), self.engine.begin() as connection:
            return session_rows.rebuild(connection, self._insert)

    def drop_old_telemetry(self, now: int) -> None:
        """Forget the telemetry of more than a week ago."""
        with translate(self.where), self.engine.begin() as connection:
            points.drop_telemetry(connection, now - _TELEMETRY_KEPT_S)

    # One transaction ------------------------------------------------------------------------------------------------

    def _write_one_by_one(self, items: Sequence[Item]) -> None:
        for item in items:
            self.write([item])

    def _write(self, items: Sequence[Item]) -> None:
        new = [item for item in items if isinstance(item, Record)]
        letters = [item for item in items if isinstance(item, DeadLetter)]
        statuses = [item for item in items if isinstance(item, Status)]
        with self.engine.begin() as connection:
            sound, contradictions = self._insert_records(connection, new)
            letters += contradictions
            self._insert_letters(connection, letters)
            session_rows.write_clocks(connection, self._insert, [r for r in sound if r.kind == "clock"])
            session_rows.write_sessions(connection, self._insert, sound)
            self._insert_alarms(connection, [r for r in sound if r.kind == "alarm"])
            points.write_statuses(connection, self._insert, statuses)
            points.write_refused(connection, self._insert, [i for i in items if isinstance(i, Refused)])
            points.write_telemetry(connection, self._insert, [i for i in items if isinstance(i, Telemetry)])
            points.write_seen(connection, self._insert, new)
            progress = self._advance(connection, new, letters, statuses)
        self._progress.update(progress)

    def _insert_records(
        self, connection: Connection, new: list[Record]
    ) -> tuple[list[Record], list[DeadLetter]]:
        """Stores what is not there yet. Returns what agrees with the database, and what contradicts it."""
        if not new:
            return [], []
        statement = self._insert(records).on_conflict_do_nothing()
        rows = [
            {
                "site": r.site,
                "point": r.point,
                "epoch": r.epoch,
                "seq": r.seq,
                "boot": r.boot,
                "uptime_ms": r.uptime_ms,
                "time": r.time,
                "kind": r.kind,
                "socket": r.socket,
                "session": r.session,
                "raw": r.raw,
                "received_at": r.received_at,
            }
            for r in new
        ]
        if connection.execute(statement, rows).rowcount == len(rows):
            return new, []
        held = _raw_of(connection, new)
        sound, contradictions = [], []
        for record in new:
            raw = held[_key(record)]
            if raw == record.raw or _content(json.loads(raw)) == _content(record.body):
                sound.append(record)
            else:
                contradictions.append(_contradiction(record))
        return sound, contradictions

    def _insert_letters(self, connection: Connection, letters: list[DeadLetter]) -> None:
        if not letters:
            return
        rows = [
            {
                "digest": hashlib.sha256(item.topic.encode() + b"\0" + item.payload).hexdigest(),
                "received_at": item.received_at,
                "topic": item.topic,
                "payload": item.payload[:_PAYLOAD_KEPT],
                "length": len(item.payload),
                "reason": item.reason,
                "detail": item.detail.encode(errors="backslashreplace").decode().replace("\0", "\\0"),
                "site": item.site,
                "point": item.point,
                "epoch": item.epoch,
                "seq": item.seq,
            }
            for item in letters
        ]
        connection.execute(self._insert(dead_letters).on_conflict_do_nothing(), rows)

    def _insert_alarms(self, connection: Connection, found: list[Record]) -> None:
        rows = [
            {
                "site": r.site,
                "point": r.point,
                "epoch": r.epoch,
                "seq": r.seq,
                "alarm": r.body["alarm"],
                "state": r.body["state"],
                "socket": r.socket,
                "time": r.time,
                "noticed_at": r.received_at,
                "detail": r.body.get("detail"),
            }
            for r in found
        ]
        if rows:
            connection.execute(self._insert(alarms).on_conflict_do_nothing(), rows)

    # Progress -------------------------------------------------------------------------------------------------------

    def _advance(
        self, connection: Connection, new: list[Record], letters: list[DeadLetter], statuses: list[Status]
    ) -> dict[Journal, Progress]:
        """How far each journal of the batch is stored now; statuses last, for they may tell what is gone."""
        seqs: dict[Journal, list[int]] = {}
        seen: dict[Journal, int] = {}
        places: list[Record | DeadLetter] = [*new, *letters]
        for place in places:
            if place.epoch is not None and place.seq is not None and place.site and place.point:
                journal = (place.site, place.point, place.epoch)
                seqs.setdefault(journal, []).append(place.seq)
                seen[journal] = place.received_at
        told = {
            (status.site, status.point, str(status.body["epoch"])): status
            for status in statuses
            if status.body.get("epoch") is not None
        }
        out: dict[Journal, Progress] = {}
        for journal in [*seqs, *(j for j in told if j not in seqs)]:
            progress = self._known(connection, journal).add(seqs.get(journal, ()))
            status = told.get(journal)
            if status and status.body.get("first_seq"):
                progress, lost = progress.begin_at(status.body["first_seq"])
                if lost:
                    self._report_lost(connection, journal, lost, status.received_at)
            out[journal] = progress
            self._save_progress(connection, journal, progress, status, seen.get(journal))
        return out

    def _known(self, connection: Connection, journal: Journal) -> Progress:
        known = self._progress.get(journal)
        if known is not None:
            return known
        stored = connection.execute(
            sa.select(epochs.c.stored_seq).where(_is_journal(epochs, journal))
        ).scalar()
        stored = stored or 0
        ahead: set[int] = set()
        for table in (records, dead_letters):
            query = sa.select(table.c.seq).where(_is_journal(table, journal), table.c.seq > stored)
            ahead.update(connection.execute(query).scalars())
        return Progress(stored).add(ahead)

    def _save_progress(
        self,
        connection: Connection,
        journal: Journal,
        progress: Progress,
        status: Status | None,
        seen: int | None,
    ) -> None:
        told = {name: status.body.get(name) if status else None for name in ("first_seq", "last_seq")}
        insert = self._insert(epochs).values(
            site=journal[0],
            point=journal[1],
            epoch=journal[2],
            stored_seq=progress.stored,
            first_seen_at=status.received_at if status else seen,
            **told,
        )
        update: Row = {"stored_seq": progress.stored}
        update.update({name: value for name, value in told.items() if value is not None})
        connection.execute(
            insert.on_conflict_do_update(index_elements=["site", "point", "epoch"], set_=update)
        )

    def _report_lost(
        self, connection: Connection, journal: Journal, lost: tuple[int, int, int], now: int
    ) -> None:
        first, last, count = lost
        detail = f"{count} records between {first} and {last} left the journal before they were stored"
        row = {"alarm": "records_lost", "state": "raised", "noticed_at": now, "detail": detail}
        place = {"site": journal[0], "point": journal[1], "epoch": journal[2]}
        connection.execute(alarms.insert(), {**row, **place, "from_seq": first, "to_seq": last})


def _is_journal(table: sa.Table, journal: Journal) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.site == journal[0], table.c.point == journal[1], table.c.epoch == journal[2])


def _key(record: Record) -> tuple[str, str, str, int]:
    return record.site, record.point, record.epoch, record.seq


def _content(body: Row) -> Row:
    """A record without its nulls: an absent key and a null say the same."""
    return {name: value for name, value in body.items() if value is not None}


def _raw_of(connection: Connection, wanted: list[Record]) -> dict[tuple[str, str, str, int], str]:
    seqs: dict[Journal, list[int]] = {}
    for record in wanted:
        seqs.setdefault((record.site, record.point, record.epoch), []).append(record.seq)
    out = {}
    for journal, numbers in seqs.items():
        query = sa.select(records.c.seq, records.c.raw).where(
            _is_journal(records, journal), records.c.seq.in_(numbers)
        )
        for seq, raw in connection.execute(query):
            out[(*journal, seq)] = raw
    return out


def _contradiction(record: Record) -> DeadLetter:
    detail = f"record {record.seq} of epoch {record.epoch} is stored with other content"
    return DeadLetter(
        record.topic,
        record.raw.encode(),
        "contradiction",
        detail,
        record.received_at,
        record.site,
        record.point,
        record.epoch,
        record.seq,
    )


def _unstorable(item: Item, error: Exception) -> DeadLetter:
    """What the checks let through and the database does not take."""
    if isinstance(item, DeadLetter) and item.reason == "unstorable":
        raise error
    detail = " ".join(str(error).split())[:500]
    now = getattr(item, "received_at", 0)
    if isinstance(item, Record):
        place = (item.site, item.point, item.epoch, item.seq)
        return DeadLetter(item.topic, item.raw.encode(), "unstorable", detail, now, *place)
    return DeadLetter(type(item).__name__, repr(item).encode(errors="replace"), "unstorable", detail, now)
